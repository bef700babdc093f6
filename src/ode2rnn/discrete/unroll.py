"""The unrolled network: one long recursion cut into segments that start from nothing, and its filter view.

Home of: U1, U2, U3.  Source: "RNN Unfolding/Unrolling".

U1  the recursion from s[-1] = 0 over n = 0 .. N-1 has an infinite impulse response: s[n] carries every earlier input
U2  windows w_m[n] = w_0[n - j(m)] with w_0 = 1 on 0 <= n < K, j(m) the start of segment m; they tile 0 .. N-1
U3  the unrolled network: the cell repeated K times with shared parameters, its state set to 0 at the start of every
    segment, so that no output depends on more than K inputs: a finite impulse response
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_count,
    check_shape,
    concatenate,
    is_torch,
    stack,
)
from ode2rnn.core.run import check_system, run
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import Parts, System
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.canonical import TappedRNN
from ode2rnn.discrete.memory import MemoryCell


def segments(length: int, size: int) -> tuple[slice, ...]:
    """The segments that tile the samples 0 .. length-1, ``size`` samples each; the last may be shorter (U2).

    Raises:
        ValueError: no whole numbers >= 1.

    Example:
        >>> segments(7, 3)
        (slice(0, 3, None), slice(3, 6, None), slice(6, 7, None))
    """
    length, size = check_count("length", length), check_count("size", size)
    return tuple(slice(start, min(start + size, length)) for start in range(0, length, size))


def windows(length: int, size: int) -> np.ndarray:
    """The windows w_m[n] of the segments, (M, N) of 0 and 1; their sum over m is 1 (U2).

    Example:
        >>> windows(5, 2)
        array([[1., 1., 0., 0., 0.],
               [0., 0., 1., 1., 0.],
               [0., 0., 0., 0., 1.]])
    """
    tiles = segments(length, size)
    w = np.zeros((len(tiles), length))
    for m, tile in enumerate(tiles):
        w[m, tile] = 1.0
    return w


class Position(NamedTuple):
    """The state of an unrolled network: how many cells of the segment are behind, and the memory of the last."""

    tick: int
    memory: Any


@dataclass(frozen=True, eq=False)
class Unrolled(System[Position]):
    """K copies of one cell in a row, which share its parameters; a System for `run` (U3).

    `run(unrolled, x)` sends a sequence of any length through it, segment by segment: the state is set to zero before
    every segment but the first, which starts from s0 (zero by default, as in the paper). What a cell sees of other
    inputs than x[n] (a window) it sees beyond the ends of a segment, too: the inputs are known, the state is not.
    Made by :func:`unroll`.
    """

    cell: System
    length: int

    @property
    def cells(self) -> tuple[Any, ...]:
        """The K cells: the same object, K times. The parameters do not grow with K."""
        return (self.cell,) * self.length

    @property
    def dt(self) -> float:  # type: ignore[override]
        """Length of a tick, that of the cell."""
        return self.cell.dt

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return self.cell.width

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return self.cell.input_width

    @property
    def readout_width(self) -> int:
        """The width of the cell's readout."""
        return self.cell.readout_width

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs before and after its own a tick of the cell sees."""
        return self.cell.window

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.cell.like

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Position

    def init(self, s0: Array) -> Position:
        """Before the first cell of a segment, with s[-1] = s0."""
        return Position(0, self.cell.init(s0))

    def prepare(self, x: Array) -> Array:
        """What each tick sees of the inputs; a window (X1) looks past its segment, whose neighbours are known."""
        return self.cell.prepare(x)

    def prepared_vjp(self, bar: Array) -> Array:
        """The cotangent of the inputs, as the cell's."""
        return self.cell.prepared_vjp(bar)

    def resume(self, state: Position, batch: tuple[int, ...]) -> Position:
        """The same position, its memory checked by the cell where that checks what it is handed."""
        return Position(state.tick, self.cell.resume(state.memory, batch))

    def step(self, state: Position, x: Array | None) -> Position:
        """Through one cell; after the K-th the next segment starts from zero."""
        return Position(state.tick % self.length + 1, self.cell.step(self._before(state), x))

    def _before(self, state: Position) -> Any:
        """The memory that the next tick starts from."""
        if state.tick < self.length:
            return state.memory
        s = self.cell.readout(state.memory)[0]
        return self.cell.init(as_like(np.zeros(tuple(s.shape)), s))

    def step_jvp(self, state: Position, x: Array | None, d_state: Position, d_x: Array | None = None) -> Position:
        """The tangent of the cell's tick; no deviation of the state passes into the next segment."""
        before, along = self._before(state), d_state.memory
        if state.tick == self.length:
            each = 0 * states.arrays_of(along)[0][..., :1]  # the batch of directions
            along = states.mapped(lambda a: 0 * a + each, before)
        return Position(state.tick % self.length + 1, self.cell.step_jvp(before, x, along, d_x))

    def step_vjp(self, state: Position, x: Array | None, bar: Position) -> tuple[Position, Array | None, Unrolled]:
        """The cotangent of the cell's tick; no error passes back out of a segment (U3)."""
        before, x_bar, record = self.cell.step_vjp(self._before(state), x, bar.memory)
        if state.tick == self.length:
            before = states.mapped(lambda a: 0 * a, state.memory)
        return Position(state.tick, before), x_bar, replace(self, cell=record)

    def errors(self, state: Position, x: Array | None, bar: Position) -> tuple[Array, Array | None]:
        """psi[n] and chi[n], as the cell's."""
        return self.cell.errors(self._before(state), x, bar.memory)

    def readout(self, state: Position) -> tuple[Array, Array]:
        """s[n] and r[n]."""
        return self.cell.readout(state.memory)

    def readout_jvp(self, state: Position, d_state: Position) -> tuple[Array, Array]:
        """The tangents of s[n] and r[n]."""
        return self.cell.readout_jvp(state.memory, d_state.memory)

    def readout_vjp(self, state: Position, s_bar: Array | None, r_bar: Array) -> Position:
        """The cotangent of the state."""
        return Position(state.tick, self.cell.readout_vjp(state.memory, s_bar, r_bar))

    def init_vjp(self, s0: Array, bar: Position) -> Array:
        """The cotangent of s0, as the cell's."""
        return self.cell.init_vjp(s0, bar.memory)

    def weights(self) -> dict[str, Array]:
        """Those of the cell, once."""
        return self.cell.weights()

    def with_weights(self, values: dict[str, Array]) -> Unrolled:
        """The unrolled network of the cell with these arrays."""
        return replace(self, cell=self.cell.with_weights(values))

    def plain(self) -> Unrolled:
        """The unrolled network of the cell in NumPy."""
        return replace(self, cell=self.cell.plain())

    def parts(self) -> Parts:
        """None: it starts anew every K ticks.

        Raises:
            ValueError: always; the cell is a map.
        """
        raise ValueError(
            "system: an unrolled network starts anew every K ticks: it is no map; give its cell, network.cell"
        )

    def scan(self, state: Position, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All segments side by side as one batch, s[-1 .. N-1] and r[0 .. N-1]; None where a loop must do it."""
        # what a cell prepares of the inputs is not what `run` takes
        prepares = type(self.cell).prepare is not System.prepare
        if state.tick != 0 or ticks <= self.length or is_torch(self.like) or prepares:
            return None  # a segment alone would cut the windows off
        K, first = self.length, self.cell.readout(state.memory)[0]
        whole, rest = divmod(ticks - K, K)
        try:
            parts = [run(self.cell, K if x is None else x[:K], state.memory)]
            zeros = np.zeros(parts[0].s.shape[1:])
            if whole:
                together: Any = K
                if x is not None:
                    full = spread(x[K : K + whole * K], zeros.shape[:-1])
                    together = np.moveaxis(full.reshape((whole, K, *full.shape[1:])), 0, 1)
                parts.append(run(self.cell, together, np.zeros((whole, *zeros.shape))))
            if rest:
                parts.append(run(self.cell, rest if x is None else x[-rest:], zeros))
        except SimulationError:
            return None  # the loop finds the tick at which it happened

        def joined(name: str) -> list[np.ndarray]:
            arrays = [getattr(part, name) for part in parts]
            if whole:
                arrays[1] = np.moveaxis(arrays[1], 1, 0).reshape((whole * K, *arrays[0].shape[1:]))
            return arrays

        return np.concatenate([np.broadcast_to(first, zeros.shape)[None], *joined("s")]), np.concatenate(joined("r"))


def spread(x: Array, batch: tuple[int, ...]) -> Array:
    """Inputs (N, ..., m) seen with the whole batch of the states, (N, *batch, m)."""
    missing = (1,) * (len(batch) + 2 - x.ndim)
    return broadcast_to(x.reshape((len(x), *missing, *x.shape[1:])), (len(x), *batch, x.shape[-1]))


def unroll(cell: System, length: int) -> Unrolled:
    """The unrolled network of ``length`` = K steps of ``cell`` (U3).

    Args:
        cell: any System, for instance a CanonicalRNN. One with windows of inputs (X1) sees those beyond its segment.
        length: K, the samples of a segment.

    Raises:
        ValueError: no System, or K < 1.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.5, W_r=0.0, W_x=1.0, theta_s=0.0)
        >>> run(cell, [1.0, 0, 0, 0]).s.ravel(), run(unroll(cell, 2), [1.0, 0, 0, 0]).s.ravel()
        (array([1.   , 0.5  , 0.25 , 0.125]), array([1. , 0.5, 0. , 0. ]))
    """
    check_system(cell)
    return Unrolled(cell, check_count("length", length))


def impulse_response(cell: System, ticks: int, s: object = None) -> Array:
    """h[k] = d s[n+k] / d x[n] of the cell linearized at the state ``s``, k = 0 .. ticks-1 (U1).

    About a fixed point the response to a small input is s[n] - s = sum_k h[k] x[n-k], over all the past: an infinite
    impulse response. The unrolled network keeps the first K of them. For the identity activation this is exact. Every
    tick is linearized at the same state, without input.

    A cell that looks ahead answers before the input comes: then k = 0 is the earliest tick that sees it, and h[k] is
    d s[n+k-L] / d x[n] for a window L samples ahead.

    Args:
        cell: any System with an input.
        ticks: how many h[k].
        s: the state (d,), 0 by default, or a state of the cell's own without batch axes.

    Returns:
        h (ticks, d, m).

    Raises:
        ValueError: no System, one without input, a wrong shape.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.5, W_r=0.25, W_x=2.0, theta_s=0.0)
        >>> impulse_response(cell, 3).ravel()
        array([2.   , 1.5  , 1.125])
    """
    cell, ticks = check_system(cell), check_count("ticks", ticks)
    d, m, like = cell.width, cell.input_width, cell.like
    if m == 0:
        raise ValueError("cell: expected one with an input, got W_x = None")
    if isinstance(s, cell.State):
        state = cell.resume(s, ())
    else:
        state = cell.init(check_shape("s", check_array("s", np.zeros(d) if s is None else s, like=like), (d,)))
    if isinstance(cell, MemoryCell) and not isinstance(s, cell.State):
        taps = cell.taps
        # about s itself, where its next tick may already be another state
        slope, at = as_activation(cell.activation).slope(cell.readout(state)[0]), 0 * state.s[0]
        W_r = {lag: W * slope for lag, W in taps.r.items()}
        cell = TappedRNN(taps.s, W_r, taps.x, 0 * at, cell.dt, "identity")
        state = cell.init(at)
    ahead = cell.window[1]
    impulses = np.zeros((ahead + max(ticks, 1), m, m))
    impulses[ahead] = np.eye(m)
    seen = cell.prepare(as_like(impulses, like))
    rest = cell.prepare(as_like(0 * impulses[:, 0], like))  # the same without the directions
    along = states.mapped(lambda a: as_like(np.zeros((m, a.shape[-1])), like), state)
    response = []
    for k in range(ticks):
        # the prepared inputs are linear in the inputs, so they are their own deviations
        along = cell.step_jvp(state, rest[k], along, seen[k])
        response.append(cell.readout_jvp(state, along)[0])
    return stack(response).swapaxes(1, 2)


def fir(h: ArrayLike, x: ArrayLike) -> Array:
    """s[n] = sum_{k<K} h[k] x[n-k]: the filter with the finite impulse response h (K, d, m), x (N, ..., m).

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> fir([[[1.0]], [[0.5]]], [[1.0], [0.0], [2.0]]).ravel()
        array([1. , 0.5, 2. ])
    """
    kernel = check_array("h", h)
    inputs = check_array("x", x, like=kernel)
    check_shape("h", kernel, ("K", "d", "m"))
    if inputs.ndim < 2 or inputs.shape[-1] != kernel.shape[-1]:
        raise ValueError(f"x: expected shape (N, ..., {kernel.shape[-1]}), got {tuple(inputs.shape)}")
    total = inputs @ kernel[0].T
    for k in range(1, min(len(kernel), len(inputs))):
        total = total + concatenate([0 * total[:k], inputs[:-k] @ kernel[k].T])
    return total
