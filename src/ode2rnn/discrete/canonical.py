"""The canonical RNN, and the standard RNN inside it.

Home of: D5, D8.  Source: "The Roots of RNN".

D5  s[n] = W_s s[n-1] + W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])            the canonical RNN
D8  without W_s s[n-1]: the standard RNN
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, as_like, brief, check_shape, is_torch
from ode2rnn.discrete.compiled import scan
from ode2rnn.discrete.memory import Memory, MemoryCell, check_bias, check_lag, check_matrix
from ode2rnn.discrete.tapped import TappedRNN


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

    @property
    def input_width(self) -> int:
        """Number of inputs m; 0 without input."""
        return 0 if self.W_x is None else int(self.W_x.shape[1])

    def standard(self) -> CanonicalRNN:
        """The standard RNN (D8): the same cell without W_s s[n-1]."""
        return replace(self, W_s=as_like(np.zeros((self.width, self.width)), self.W_s))

    def _depth(self) -> tuple[int, int, int]:
        return 1, self.lag, 0

    def step(self, state: Memory, x: Array | None) -> Memory:
        """One tick of D5: the memory after the input ``x`` (..., m)."""
        self._check(state)
        s = self.theta_s + state.s[0] @ self.W_s.T + state.r[-1] @ self.W_r.T
        if self.W_x is not None and x is not None:
            s = s + x @ self.W_x.T
        return Memory((s,), (self._warp(s), *state.r[:-1]), ())

    def scan(self, state: Memory, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All ticks at once by a compiled kernel, s[-1 .. N-1] and r[0 .. N-1]; None where there is none."""
        if type(self) is not CanonicalRNN:
            return None
        self._check(state)
        W_x = {} if self.W_x is None else {0: self.W_x}
        return scan(self, {1: self.W_s}, {self.lag: self.W_r}, W_x, state, x, ticks)


def as_tapped(cell: CanonicalRNN | TappedRNN) -> TappedRNN:
    """The cell with its matrices by lag."""
    if isinstance(cell, TappedRNN):
        return cell
    if not isinstance(cell, CanonicalRNN):
        raise ValueError(f"cell: expected a CanonicalRNN or TappedRNN, got {brief(cell)}")
    W_x = {} if cell.W_x is None else {0: cell.W_x}
    return TappedRNN({1: cell.W_s}, {cell.lag: cell.W_r}, W_x, cell.theta_s, cell.dt, cell.activation)
