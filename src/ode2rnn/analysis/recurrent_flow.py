"""A canonical RNN, or a cell with taps, linearized along a run.  Uses: B1, B2, B4, B5."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ode2rnn.analysis.products import Linearized
from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import Array, as_like, stack, to_numpy
from ode2rnn.core.run import run
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped

# sup |G'|; for an activation of the user's own the largest slope on the run stands in
STEEPEST = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "softplus": 1.0, "identity": 1.0}


class RecurrentRun:
    """A cell with its readout, run over x (N, m): the states, what the readouts are, and the cell linearized there."""

    def __init__(self, cell: CanonicalRNN | TappedRNN, x: Any, s0: Any) -> None:
        self.cell = plain_taps(cell)
        self.s = run(self.cell, x, s0).s

    @property
    def readout_shape(self) -> tuple[int, ...]:
        """(N, ..., d), the shape of r_bar."""
        return self.s.shape

    @cached_property
    def slopes(self) -> np.ndarray:
        """G'(s[n]), (N, d)."""
        return to_numpy(as_activation(self.cell.activation).slope(self.s))

    def linearized(self, first: int) -> Linearized:
        """d s[n] / d s[n-k] from sample ``first`` on."""
        slopes, taps = self.slopes[first:], [*self.cell.W_s, *self.cell.W_r, 1]
        return Linearized(self.cell.width, max(taps), len(slopes), _jacobians(self.cell, slopes))

    def errors(self, r_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """psi and chi, (N, d); not finite where they overflow."""
        with np.errstate(all="ignore"):
            return sweep(self.cell, self.s, len(self.s), r_bar)

    def carousel(self, first: int) -> np.ndarray | None:
        """No gate, no carousel."""
        return None

    @property
    def bound(self) -> float:
        """The factor of B5."""
        name = as_activation(self.cell.activation).name
        return contraction(self.cell, STEEPEST.get(name, float(np.abs(self.slopes).max())))


def plain_taps(cell: CanonicalRNN | TappedRNN) -> TappedRNN:
    """The cell by lag, in NumPy."""
    t = as_tapped(cell)
    W_s, W_r, W_x = ({lag: to_numpy(W) for lag, W in taps.items()} for taps in (t.W_s, t.W_r, t.W_x))
    return TappedRNN(W_s, W_r, W_x, to_numpy(t.theta_s), t.dt, t.activation)


def contraction(cell: TappedRNN, steepest: float) -> float:
    """sum_k ||W_s[k]|| + ||W_r[k]|| max|G'|, the undelayed readout counted as what its solution multiplies (B5)."""
    with np.errstate(divide="ignore"):
        sizes = [float(np.linalg.norm(W, 2)) for W in cell.W_s.values()]
        sizes += [steepest * float(np.linalg.norm(W, 2)) for lag, W in cell.W_r.items() if lag > 0]
        now = steepest * float(np.linalg.norm(cell.W_r[0], 2)) if 0 in cell.W_r else 0.0
        return sum(sizes) / (1 - now) if now < 1 else np.inf


def _jacobians(cell: TappedRNN, slopes: np.ndarray) -> Callable[[int], dict[int, np.ndarray]]:
    """For tick n, d s[n] / d s[n-k] by lag k >= 1; slopes (N, d) are G'(s[n])."""
    lags = sorted({*cell.W_s, *cell.W_r} - {0})
    eye = np.eye(cell.width)

    def at(n: int) -> dict[int, np.ndarray]:
        blocks: dict[int, np.ndarray] = {}
        for lag in lags:
            if lag > n:
                continue
            if lag in cell.W_r:
                blocks[lag] = cell.W_r[lag] * slopes[n - lag]
            if lag in cell.W_s:
                blocks[lag] = blocks[lag] + cell.W_s[lag] if lag in blocks else cell.W_s[lag]
        if 0 in cell.W_r:
            inverse = np.linalg.inv(eye - cell.W_r[0] * slopes[n])
            blocks = {lag: inverse @ block for lag, block in blocks.items()}
        return blocks

    return at


def sweep(cell: TappedRNN, s: Array, K: int, r_bar: Array, s_bar: Array | None = None) -> tuple[Array, Array]:
    """psi and chi (N, ..., d) by B1 and B2 over states s (N, ..., d), the errors cut at the end of every K samples."""
    slopes = as_activation(cell.activation).slope(s)
    N = len(s)
    psi: list[Any] = [None] * N
    chi: list[Any] = [None] * N
    delayed = [(lag, W) for lag, W in cell.W_r.items() if lag > 0]
    now = cell.W_r.get(0)
    for n in range(N - 1, -1, -1):
        end = min(N, (n // K + 1) * K)
        total = r_bar[n]
        for lag, W in delayed:
            if n + lag < end:
                total = total + psi[n + lag] @ W
        past: Any = 0.0 if s_bar is None else s_bar[n]
        for lag, W in cell.W_s.items():
            if n + lag < end:
                past = past + psi[n + lag] @ W
        psi[n] = total * slopes[n] + past
        if now is not None:
            psi[n] = _implicit(psi[n], now, slopes[n])
            total = total + psi[n] @ now
        chi[n] = total
    return stack(psi), stack(chi)


def _implicit(right: Array, W: Array, slope: Array) -> Array:
    """psi with psi = right + slope * (W^T psi)."""
    matrix = as_like(np.eye(W.shape[0]), W) - slope[..., :, None] * W.T
    return np.linalg.solve(matrix, right[..., None])[..., 0]
