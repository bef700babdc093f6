"""The canonical RNN, the standard RNN inside it, and the recursion with more lags of which it is the one-tap case.

Home of: D5, D8.  Uses: D10.  Source: "The Roots of RNN".

D5  s[n] = W_s s[n-1] + W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])            the canonical RNN
D8  without W_s s[n-1]: the standard RNN

The tick of both, with its tangent and cotangent, stands in ``discrete.memory``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, as_like, brief, check_shape, is_torch
from ode2rnn.discrete.compiled import scan
from ode2rnn.discrete.memory import Memory, MemoryCell, Taps, check_bias, check_lag, check_matrix

LEAST_LAG = {"W_s": 1, "W_r": 0, "W_x": 0}


@dataclass(frozen=True, eq=False)
class CanonicalRNN(MemoryCell):
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
        theta = check_bias(self.theta_s)
        d = int(theta.shape[0])
        arrays = {"theta_s": theta}
        for name, columns in (("W_s", d), ("W_r", d), ("W_x", "m")):
            matrix = getattr(self, name)
            if matrix is not None or name != "W_x":
                arrays[name] = check_shape(name, check_matrix(name, matrix), (d, columns))
        like = next((a for a in arrays.values() if is_torch(a)), theta)
        arrays = {name: as_like(array, like) for name, array in arrays.items()}
        self._settle(lag=check_lag("lag", self.lag, 1), **arrays)

    def standard(self) -> CanonicalRNN:
        """The standard RNN (D8): the same cell without W_s s[n-1]."""
        return replace(self, W_s=as_like(np.zeros((self.width, self.width)), self.W_s))

    @cached_property
    def taps(self) -> Taps:
        """The matrices by lag: one of each kind."""
        return Taps({1: self.W_s}, {self.lag: self.W_r}, {} if self.W_x is None else {0: self.W_x})

    def _name(self, kind: str, lag: int) -> str:
        return f"W_{kind}"

    def settled(self) -> CanonicalRNN:
        """The cell with lag 1, which rests where this one does."""
        return self if self.lag == 1 else replace(self, lag=1)

    def scan(self, state: Memory, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All ticks at once by a compiled kernel, s[-1 .. N-1] and r[0 .. N-1]; None where there is none."""
        if type(self) is not CanonicalRNN:
            return None
        self._check(state)
        return scan(self, *self.taps, state, x, ticks)


@dataclass(frozen=True, eq=False)
class TappedRNN(MemoryCell):
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
        theta = check_bias(self.theta_s)
        d = int(theta.shape[0])
        taps = {name: _checked_taps(name, getattr(self, name), least) for name, least in LEAST_LAG.items()}
        arrays = [theta, *(matrix for by_lag in taps.values() for matrix in by_lag.values())]
        like = next((a for a in arrays if is_torch(a)), theta)
        columns = {"W_s": d, "W_r": d, "W_x": next((int(m.shape[1]) for m in taps["W_x"].values()), 0)}
        for name, by_lag in taps.items():
            for lag, matrix in by_lag.items():
                by_lag[lag] = as_like(check_shape(f"{name}[{lag}]", matrix, (d, columns[name])), like)
        self._settle(theta_s=as_like(theta, like), **taps)

    @cached_property
    def taps(self) -> Taps:
        """The matrices by lag."""
        return Taps(self.W_s, self.W_r, self.W_x)

    def _name(self, kind: str, lag: int) -> str:
        return f"W_{kind}[{lag}]"

    def settled(self) -> CanonicalRNN | TappedRNN:
        """The canonical RNN whose matrices are the sums over the lags, which rests where this cell does.

        A cell that remembers one state alone, with an undelayed readout, is itself.
        """
        if self.depth == 1 and not any(self.W_x):
            return self
        zero = as_like(np.zeros((self.width, self.width)), self.theta_s)
        W_s, W_r = (sum(by_lag.values(), zero) for by_lag in (self.W_s, self.W_r))
        W_x: Any = sum(self.W_x.values()) if self.W_x else None
        return CanonicalRNN(W_s, W_r, W_x, self.theta_s, self.dt, self.activation)

    def scan(self, state: Memory, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All ticks at once by a compiled kernel, s[-1 .. N-1] and r[0 .. N-1]; None where there is none."""
        if type(self) is not TappedRNN or 0 in self.W_r:
            return None
        self._check(state)
        return scan(self, *self.taps, state, x, ticks)


def as_tapped(cell: CanonicalRNN | TappedRNN) -> TappedRNN:
    """The cell with its matrices by lag."""
    if isinstance(cell, TappedRNN):
        return cell
    if not isinstance(cell, CanonicalRNN):
        raise ValueError(f"cell: expected a CanonicalRNN or TappedRNN, got {brief(cell)}")
    W_x = {} if cell.W_x is None else {0: cell.W_x}
    return TappedRNN({1: cell.W_s}, {cell.lag: cell.W_r}, W_x, cell.theta_s, cell.dt, cell.activation)


def _checked_taps(name: str, taps: object, least: int) -> dict[int, Array]:
    if not isinstance(taps, Mapping):
        raise ValueError(f"{name}: expected a dict from lags to matrices, got {type(taps).__name__}")
    checked = {}
    for key, matrix in taps.items():
        lag = check_lag(f"{name}, a lag", key, least)
        checked[lag] = check_matrix(f"{name}[{lag}]", matrix)
    return checked
