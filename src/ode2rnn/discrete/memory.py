"""What a recursion remembers from tick to tick, and the tick itself with its tangent and cotangent.

Uses: D5, D10, B1, B2, B3.

s[n] = sum_k W_s[k] s[n-k] + sum_k W_r[k] r[n-k] + sum_k W_x[k] x[n-k] + theta_s,   r[n] = G(s[n])

The canonical RNN has one lag of each kind. At lag 0 the readout is undelayed and s[n] solves an equation, whose
derivatives are those of the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import (
    MOST_STEPS,
    Array,
    broadcast_to,
    check_array,
    check_count,
    check_positive,
    check_shape,
    is_torch,
    stack,
)
from ode2rnn.core.newton import solve_readout
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import Parts, System, Taps
from ode2rnn.discrete.algebra import delayed, eye_like, norm, outer, solve, solve_each, steepest


class Memory(NamedTuple):
    """The state of a recursion: the last states, readouts and inputs, the latest first.

    In a tangent or a cotangent None stands for zero.
    """

    s: tuple[Array, ...]
    r: tuple[Array, ...]
    x: tuple[Array | None, ...]


class MemoryCell(System[Memory]):
    """A System whose state is a Memory, and whose tick is the recursion with taps."""

    theta_s: Array
    dt: float
    activation: str | Activation

    @cached_property
    def taps(self) -> Taps:
        """The matrices by lag."""
        raise NotImplementedError

    def _name(self, kind: str, lag: int) -> str:
        """What the weights call a matrix of the taps."""
        raise NotImplementedError

    def _settle(self, **fields: Any) -> None:
        """Set the checked ``fields``, theta_s among them; check dt and the activation."""
        fields["dt"] = check_positive("dt", self.dt)
        fields["activation"] = as_activation(self.activation)
        if is_torch(fields["theta_s"]):
            fields["activation"].check_for(fields["theta_s"])
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return int(self.theta_s.shape[0])

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m; 0 without input."""
        return next((int(W.shape[1]) for W in self.taps.x.values()), 0)

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.theta_s

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Memory

    @property
    def _transposed(self) -> Taps:
        """The matrices as rows of states are multiplied by them."""
        if is_torch(self.theta_s):  # never kept: a view that was taken without gradients has none later
            return Taps(*({lag: W.T for lag, W in by_lag.items()} for by_lag in self.taps))
        return self._contiguous

    @cached_property
    def _contiguous(self) -> Taps:
        """The same side by side in memory, which is faster."""
        return Taps(*({lag: np.ascontiguousarray(W.T) for lag, W in by_lag.items()} for by_lag in self.taps))

    @cached_property
    def _depth(self) -> tuple[int, int, int]:
        """How many past states, readouts and inputs the cell remembers; at least one state and one readout.

        The states reach as far back as the readouts, so that they alone say all but the inputs.
        """
        readouts = max(1, *self.taps.r, 1)
        return max(readouts, *self.taps.s, 1), readouts, max(self.taps.x, default=0)

    def init(self, s0: Array) -> Memory:
        """The memory of a cell that has been at s0 (..., d) for ever, without input."""
        before, readouts, inputs = self._depth
        return Memory((s0,) * before, (self._warp(s0),) * readouts, (None,) * inputs)

    def init_vjp(self, s0: Array, bar: Memory) -> Array:
        """The cotangent of s0 from that of the memory that ``init`` makes of it."""
        slope = as_activation(self.activation).slope(s0)
        of_s = [value for value in bar.s if value is not None]
        of_r = [value for value in bar.r if value is not None]
        total = sum(of_s[1:], of_s[0]) if of_s else 0 * s0
        return total + slope * sum(of_r[1:], of_r[0]) if of_r else total

    def remember(self, s: Callable[[int], Array], x: Callable[[int], Array] | None) -> Memory:
        """The memory of a cell whose past is known: s(n) and x(n) for n = -1, -2, ... as far back as it reaches."""
        before, readouts, inputs = self._depth
        past = tuple(s(-k) for k in range(1, before + 1))
        return Memory(
            past,
            tuple(self._warp(state) for state in past[:readouts]),
            tuple(None if x is None else x(-k) for k in range(1, inputs + 1)),
        )

    # -- a tick

    def step(self, state: Memory, x: Array | None) -> Memory:
        """One tick: the memory after the input ``x`` (..., m).

        Raises:
            SimulationError: Newton's method found no solution of an undelayed readout.
        """
        self._check(state)
        s = self._next(state, x)
        return _shifted(state, s, self._warp(s), x)

    def _next(self, state: Memory, x: Array | None) -> Array:
        """s[n] (..., d)."""
        taps, total = self._transposed, self.theta_s
        for lag, W in taps.s.items():
            total = total + state.s[lag - 1] @ W
        for lag, W in taps.r.items():
            if lag > 0:
                total = total + state.r[lag - 1] @ W
        for lag, W in taps.x.items():
            value = x if lag == 0 else state.x[lag - 1]
            if value is not None:
                total = total + value @ W
        if total.shape != state.s[0].shape:  # nothing of the state went in, or what is wider than it
            total = broadcast_to(total, np.broadcast_shapes(tuple(total.shape), tuple(state.s[0].shape)))
        if 0 in taps.r:
            total = solve_readout(total, self.taps.r[0], as_activation(self.activation), guess=state.s[0])
        return total

    def step_jvp(self, state: Memory, x: Array | None, d_state: Memory, d_x: Array | None = None) -> Memory:
        """The tangent of a tick: the taps on the deviations, and G' * ds[n] for the readout."""
        return self._moved(self._next(state, x), d_state, d_x)

    def step_with_jvp(self, state: Memory, x: Array | None, d_state: Memory) -> tuple[Memory, Memory]:
        """A tick and its tangent, from the same s[n]."""
        self._check(state)
        now = self._next(state, x)
        return _shifted(state, now, self._warp(now), x), self._moved(now, d_state, None)

    def _moved(self, now: Array, d_state: Memory, d_x: Array | None) -> Memory:
        taps = self.taps
        total: Any = None
        for by_lag, values, latest in zip(self._transposed, d_state, (None, None, d_x), strict=True):
            for lag, W in by_lag.items():
                value = latest if lag == 0 else values[lag - 1]
                if value is not None:
                    total = _added(total, value @ W)
        if total is None:
            total = 0 * now
        slope = as_activation(self.activation).slope(now)
        if 0 in taps.r:  # (I - W_r[0] G'(s[n])) ds[n] = what the other taps make
            total = solve_each(eye_like(self.like) - taps.r[0] * slope[..., None, :], slope, total)
        return _shifted(d_state, total, slope * total, d_x)

    def errors(self, state: Memory, x: Array | None, bar: Memory) -> tuple[Array, Array]:
        """psi[n] and chi[n] by B1 and B2, from the memory before tick n and the cotangent of that after it."""
        now = self._next(state, x)
        slope = as_activation(self.activation).slope(now)
        chi = 0 * now if bar.r[0] is None else bar.r[0] + 0 * now
        psi = slope * chi
        if bar.s[0] is not None:
            psi = psi + bar.s[0]
        W = self.taps.r.get(0)
        if W is not None:  # psi = right + G' * (W_r[0]^T psi)
            psi = solve(eye_like(self.like) - slope[..., :, None] * W.T, psi)
            chi = chi + psi @ W
        return psi, chi

    def step_vjp(self, state: Memory, x: Array | None, bar: Memory) -> tuple[Memory, Array | None, Self]:
        """The cotangent of a tick: B1 to B3 of one n; each tap passes psi[n] back to what it read."""
        psi = self.errors(state, x, bar)[0]
        sums = {"theta_s": psi.reshape((-1, self.width)).sum(0)}
        older: list[tuple[Array | None, ...]] = []
        now = [None, None, x]
        if 0 in self.taps.r:
            now[1] = self._warp(self._next(state, x))
        latest: list[Any] = [None, None, None]
        for k, (kind, by_lag) in enumerate(zip("srx", self.taps, strict=True)):
            # what the tick only moved one place on, and after that what it read
            found = [*bar[k][1:], None] if bar[k] else []
            if kind == "x" and bar[k]:
                latest[k] = bar[k][0]
            for lag, W in by_lag.items():
                read = now[k] if lag == 0 else state[k][lag - 1]
                sums[self._name(kind, lag)] = 0 * W if read is None else outer(psi, read)
                if lag == 0:
                    latest[k] = _added(latest[k], psi @ W)
                else:
                    found[lag - 1] = _added(found[lag - 1], psi @ W)
            older.append(tuple(found))
        x_bar = None if x is None else latest[2] if latest[2] is not None else 0 * x
        return Memory(*older), x_bar, self.with_weights(sums)

    def contraction(self, s: Array) -> float:
        """sum_k ||W_s[k]|| + ||W_r[k]|| max|G'|, the undelayed readout counted as what its solution multiplies (B5)."""
        steep, taps = steepest(as_activation(self.activation), s), self.taps
        sizes = [norm(W) for W in taps.s.values()] + [steep * norm(W) for lag, W in taps.r.items() if lag > 0]
        now = steep * norm(taps.r[0]) if 0 in taps.r else 0.0
        return sum(sizes) / (1 - now) if now < 1 else float("inf")

    # -- the readout

    def readout(self, state: Memory) -> tuple[Array, Array]:
        """s[n] and r[n]."""
        return state.s[0], state.r[0]

    def readout_jvp(self, state: Memory, d_state: Memory) -> tuple[Array, Array]:
        """The tangents of s[n] and r[n]."""
        return d_state.s[0], d_state.r[0]

    def readout_vjp(self, state: Memory, s_bar: Array | None, r_bar: Array) -> Memory:
        """The cotangent of the memory."""
        nothing = (None,)
        return Memory(
            (s_bar,) + nothing * (len(state.s) - 1), (r_bar,) + nothing * (len(state.r) - 1), nothing * len(state.x)
        )

    # -- as a map on vectors: s[n-1] .. s[n-L]

    @property
    def depth(self) -> int:
        """L, how many states the vector holds."""
        return self._depth[0]

    @property
    def window(self) -> tuple[int, int]:
        """A tick sees the inputs back to the largest lag of W_x."""
        return self._depth[2], 0

    def parts(self) -> Parts:
        """s[n-1] .. s[n-L], each of d numbers."""
        L, d = self.depth, self.width
        return tuple((f"s[n-{lag}]" if L > 1 else "s", d) for lag in range(1, L + 1))

    def flatten(self, state: Memory) -> Array:
        """The states of a memory, or of a tangent, side by side, (..., L d)."""
        return state.s[0] if len(state.s) == 1 else states.joined(state.s)

    def unflatten(
        self, vector: Array, direction: Array | None, x: Array | None
    ) -> tuple[Memory, Memory | None, Array | None]:
        """The memory of a vector (..., L d), with r = G(s), and x[n] of a row x[n], x[n-1], .. of ``driven``."""
        L, readouts, inputs = self._depth
        G = as_activation(self.activation)
        d = vector.shape[-1] // L
        s = tuple(vector[..., k * d : (k + 1) * d] for k in range(L)) if L > 1 else (vector,)
        r = tuple(G.value(s[k]) for k in range(readouts))
        past = () if not inputs else (None,) * inputs if x is None else tuple(x[1:])
        state, seen = Memory(s, r, past), None if x is None else x[0]
        if direction is None:
            return state, None, seen
        ds = tuple(direction[..., k * d : (k + 1) * d] for k in range(L)) if L > 1 else (direction,)
        dr = tuple(G.slope(s[k]) * ds[k] for k in range(readouts))
        return state, Memory(ds, dr, (None,) * inputs), seen

    def driven(self, x: Array) -> Array:
        """The rows x[n], x[n-1], .. as far back as W_x reaches, (N, lags + 1, m), zero before the first."""
        inputs = self._depth[2]
        if inputs == 0:
            return x[:, None]
        return stack([x if lag == 0 else delayed(x, lag) for lag in range(inputs + 1)], axis=1)

    # -- checks

    def _warp(self, s: Array) -> Array:
        return as_activation(self.activation).value(s)

    def _check(self, memory: Memory) -> None:
        got, want = (len(memory.s), len(memory.r), len(memory.x)), self._depth
        if got != want:
            raise ValueError(
                f"s0: expected a memory of {want} states, readouts and inputs, got one of {got}, another cell's"
            )


def _shifted(memory: Memory, s: Array, r: Array, x: Array | None) -> Memory:
    """The memory a tick later."""
    return Memory((s, *memory.s[:-1]), (r, *memory.r[:-1]), (x, *memory.x)[: len(memory.x)])


def _added(total: Array | None, part: Array) -> Array:
    return part if total is None else total + part


def check_matrix(name: str, value: object) -> Array:
    """``value`` as a matrix; a number stands for a matrix (1, 1)."""
    array = check_array(name, value)
    return array.reshape((1, 1)) if array.ndim == 0 else check_shape(name, array, ("d", "m"))


def check_bias(value: object) -> Array:
    """theta_s as a vector; a number stands for (1,)."""
    array = check_array("theta_s", value)
    return array.reshape((1,)) if array.ndim == 0 else check_shape("theta_s", array, ("d",))


def check_lag(name: str, value: object, least: int) -> int:
    """``value`` as a number of ticks >= least."""
    lag = check_count(name, value, least)
    if lag > MOST_STEPS:
        raise ValueError(f"{name}: expected at most {MOST_STEPS:g} ticks, got {lag}")
    return lag
