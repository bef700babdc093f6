"""The canonical RNN and its relatives: recursions with a tick.

Home of: D5, D8.  Source: "The Roots of RNN".

D5  s[n] = W_s s[n-1] + W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])            the canonical RNN
D8  without W_s s[n-1]: the standard RNN
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_count,
    check_positive,
    check_shape,
    is_torch,
)
from ode2rnn.core.newton import solve_readout


class Memory(NamedTuple):
    """The state of a recursion: the last states, readouts and inputs, the latest first."""

    s: tuple[Array, ...]
    r: tuple[Array, ...]
    x: tuple[Array | None, ...]


@dataclass(frozen=True, eq=False)
class TappedRNN:
    """A recursion with matrices by lag, of which the canonical RNN is the one-tap case.

    s[n] = sum_k W_s[k] s[n-k] + sum_k W_r[k] r[n-k] + sum_k W_x[k] x[n-k] + theta_s,   r[n] = G(s[n])

    Args:
        W_s: {lag >= 1: (d, d)}.
        W_r: {lag >= 0: (d, d)}; lag 0 is an undelayed readout, solved for by Newton's method at every tick.
        W_x: {lag >= 0: (d, m)}; empty for a cell without input.
        theta_s: bias (d,).
        dt: length of a tick, in the unit of time of the model it came from.
        activation: G, a registered name or an Activation.

    Before the first tick the inputs are zero and the states are s[-1].

    Raises:
        ValueError: shapes that do not fit, NaN, lags that are no whole numbers or too small.

    Example:
        >>> from ode2rnn import run
        >>> cell = TappedRNN(W_s={1: 0.5}, W_r={2: 1.0}, W_x={}, theta_s=[0.0], activation="identity")
        >>> run(cell, 3, s0=1.0).s.ravel()
        array([1.5  , 1.75 , 2.375])
    """

    W_s: Mapping[int, Array]
    W_r: Mapping[int, Array]
    W_x: Mapping[int, Array]
    theta_s: Array
    dt: float = 1.0
    activation: str | Activation = "tanh"

    def __post_init__(self) -> None:
        theta = check_array("theta_s", self.theta_s)
        theta = theta.reshape((1,)) if theta.ndim == 0 else theta
        check_shape("theta_s", theta, ("d",))
        d = int(theta.shape[0])
        least = {"W_s": 1, "W_r": 0, "W_x": 0}
        taps = {name: _taps(name, getattr(self, name), least[name]) for name in least}
        arrays = [theta, *(matrix for by_lag in taps.values() for matrix in by_lag.values())]
        like = next((a for a in arrays if is_torch(a)), theta)
        columns = {"W_s": d, "W_r": d, "W_x": next((int(m.shape[1]) for m in taps["W_x"].values()), 0)}
        for name, by_lag in taps.items():
            checked = {
                lag: as_like(check_shape(f"{name}[{lag}]", matrix, (d, columns[name])), like)
                for lag, matrix in by_lag.items()
            }
            object.__setattr__(self, name, checked)
        object.__setattr__(self, "theta_s", as_like(theta, like))
        object.__setattr__(self, "dt", check_positive("dt", self.dt))
        object.__setattr__(self, "activation", as_activation(self.activation))

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.theta_s.shape[0])

    @property
    def input_width(self) -> int:
        """Number of inputs m; 0 without input."""
        return next((int(m.shape[1]) for m in self.W_x.values()), 0)

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.theta_s

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Memory

    def init(self, s0: Array) -> Memory:
        """The memory of a cell that has been at s0 (..., d) for ever, without input."""
        return self.remember(lambda n: s0, None)

    def remember(self, s: Callable[[int], Array], x: Callable[[int], Array] | None) -> Memory:
        """The memory of a cell whose past is known: s(n) and x(n) for n = -1, -2, ... as far back as it reaches."""
        depth = {name: max(getattr(self, name), default=0) for name in ("W_s", "W_r", "W_x")}
        states = tuple(s(-k) for k in range(1, max(1, depth["W_s"], depth["W_r"]) + 1))
        value = _activation(self).value
        return Memory(
            states[: max(1, depth["W_s"])],
            tuple(value(state) for state in states[: max(1, depth["W_r"])]),
            tuple(None if x is None else x(-k) for k in range(1, depth["W_x"] + 1)),
        )

    def step(self, state: Memory, x: Array | None) -> Memory:
        """One tick: the memory after the input ``x`` (..., m)."""
        total: Any = self.theta_s
        for lag, matrix in self.W_s.items():
            total = total + state.s[lag - 1] @ matrix.T
        for lag, matrix in self.W_r.items():
            if lag > 0:
                total = total + state.r[lag - 1] @ matrix.T
        for lag, matrix in self.W_x.items():
            value = x if lag == 0 else state.x[lag - 1]
            if value is not None:
                total = total + value @ matrix.T
        if 0 in self.W_r:
            shape = np.broadcast_shapes(tuple(total.shape), tuple(state.s[0].shape))
            total = solve_readout(broadcast_to(total, shape), self.W_r[0], _activation(self), guess=state.s[0])
        r = _activation(self).value(total)
        return Memory((total, *state.s)[: len(state.s)], (r, *state.r)[: len(state.r)], (x, *state.x)[: len(state.x)])

    def readout(self, state: Memory) -> tuple[Array, Array]:
        """s[n] and r[n]."""
        return state.s[0], state.r[0]


@dataclass(frozen=True, eq=False)
class CanonicalRNN:
    """s[n] = W_s s[n-1] + W_r r[n-lag] + W_x x[n] + theta_s,   r[n] = G(s[n])   (D5, with lag = 1).

    Backward Euler for the delay equation C9 with tau_0 = lag dT.

    Args:
        W_s, W_r: (d, d).
        W_x: (d, m), or None without input.
        theta_s: bias (d,).
        dt: sampling step dT, in the unit of time of the model it came from.
        activation: G, a registered name or an Activation.
        lag: delay of the readout in samples, >= 1.

    For d = 1 numbers stand for matrices and vectors.

    Raises:
        ValueError: shapes that do not fit, NaN, dt <= 0, lag < 1.

    Example:
        >>> from ode2rnn import run
        >>> cell = CanonicalRNN(W_s=0.5, W_r=0.25, W_x=1.0, theta_s=0.0, activation="identity")
        >>> run(cell, [1.0, 0.0]).s.ravel()
        array([1.  , 0.75])
    """

    W_s: Array
    W_r: Array
    W_x: Array | None
    theta_s: Array
    dt: float = 1.0
    activation: str | Activation = "tanh"
    lag: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "lag", check_count("lag", self.lag))
        for name in ("W_s", "W_r", "W_x"):
            matrix = getattr(self, name)
            if matrix is None and name != "W_x":
                raise ValueError(f"{name}: expected a matrix (d, d), got None")
            if matrix is not None:
                matrix = check_array(name, matrix)
                object.__setattr__(self, name, matrix.reshape((1, 1)) if matrix.ndim == 0 else matrix)
        theta = check_array("theta_s", self.theta_s)
        theta = theta.reshape((1,)) if theta.ndim == 0 else check_shape("theta_s", theta, ("d",))
        d = int(theta.shape[0])
        for name in ("W_s", "W_r"):
            check_shape(name, getattr(self, name), (d, d))
        if self.W_x is not None:
            check_shape("W_x", self.W_x, (d, "m"))
        arrays = {"W_s": self.W_s, "W_r": self.W_r, "W_x": self.W_x, "theta_s": theta}
        like = next((a for a in arrays.values() if is_torch(a)), theta)
        for name, array in arrays.items():
            object.__setattr__(self, name, None if array is None else as_like(array, like))
        object.__setattr__(self, "dt", check_positive("dt", self.dt))
        object.__setattr__(self, "activation", as_activation(self.activation))

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.theta_s.shape[0])

    @property
    def input_width(self) -> int:
        """Number of inputs m; 0 without input."""
        return 0 if self.W_x is None else int(self.W_x.shape[1])

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.theta_s

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Memory

    def standard(self) -> CanonicalRNN:
        """The standard RNN (D8): the same cell without W_s s[n-1]."""
        return replace(self, W_s=0.0 * self.W_s)

    def init(self, s0: Array) -> Memory:
        """The memory of a cell that has been at s0 (..., d) for ever."""
        return self.remember(lambda n: s0, None)

    def remember(self, s: Callable[[int], Array], x: Callable[[int], Array] | None) -> Memory:
        """The memory of a cell whose states s(n), n = -1, -2, ... are known."""
        value = _activation(self).value
        return Memory((s(-1),), tuple(value(s(-k)) for k in range(1, self.lag + 1)), ())

    def step(self, state: Memory, x: Array | None) -> Memory:
        """One tick of D5: the memory after the input ``x`` (..., m)."""
        s = state.s[0] @ self.W_s.T + state.r[-1] @ self.W_r.T + self.theta_s
        if self.W_x is not None and x is not None:
            s = s + x @ self.W_x.T
        return Memory((s,), (_activation(self).value(s), *state.r[:-1]), ())

    def readout(self, state: Memory) -> tuple[Array, Array]:
        """s[n] and r[n]."""
        return state.s[0], state.r[0]


def as_tapped(cell: CanonicalRNN | TappedRNN) -> TappedRNN:
    """The cell with its matrices by lag."""
    if isinstance(cell, TappedRNN):
        return cell
    if not isinstance(cell, CanonicalRNN):
        raise ValueError(f"cell: expected a CanonicalRNN or TappedRNN, got {type(cell).__name__}")
    W_x = {} if cell.W_x is None else {0: cell.W_x}
    return TappedRNN({1: cell.W_s}, {cell.lag: cell.W_r}, W_x, cell.theta_s, cell.dt, cell.activation)


def _activation(cell: CanonicalRNN | TappedRNN) -> Activation:
    assert isinstance(cell.activation, Activation)  # as __post_init__ left it
    return cell.activation


def _taps(name: str, taps: Any, least: int) -> dict[int, Array]:
    if not isinstance(taps, Mapping):
        raise ValueError(f"{name}: expected a dict from lags to matrices, got {type(taps).__name__}")
    checked = {}
    for lag, matrix in taps.items():
        if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < least:
            raise ValueError(f"{name}: expected whole lags >= {least}, got {lag!r}")
        array = check_array(f"{name}[{lag}]", matrix)
        checked[int(lag)] = (
            array.reshape((1, 1)) if array.ndim == 0 else check_shape(f"{name}[{lag}]", array, ("d", "m"))
        )
    return checked
