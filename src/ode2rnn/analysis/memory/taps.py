"""What the matrices of a recursion with taps say of it: about a rest, and of differences of two states.

Uses: D6, B5, U5.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import as_like, to_numpy
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import System, Taps


def warping(cell: System | Flow) -> Activation:
    """G of a recursion with taps."""
    return as_activation(cell.activation)  # type: ignore[union-attr]


def plain_taps(cell: System | Flow) -> Taps | None:
    """The matrices by lag in NumPy; None of a system that is no recursion with taps."""
    if cell.taps is None:
        return None
    return Taps(*({lag: to_numpy(W) for lag, W in by_lag.items()} for by_lag in cell.taps))


def linear_taps(cell: System | Flow, s: np.ndarray) -> dict[int, np.ndarray] | None:
    """The matrices W_k (d, d), by lag from 1 on, of ds[n] = sum_k W_k ds[n-k] about a rest s (d,)   (D6)."""
    taps, d = plain_taps(cell), cell.width
    if taps is None:
        return None
    slope = to_numpy(warping(cell).slope(as_like(s, cell.like)))
    found = {1: np.zeros((d, d))}
    for lag, matrix in taps.s.items():
        found[lag] = found.get(lag, 0.0) + matrix
    for lag, matrix in taps.r.items():
        found[lag] = found.get(lag, 0.0) + matrix * slope
    now = np.linalg.inv(np.eye(d) - found.pop(0, 0.0))  # an undelayed readout is solved for
    return {lag: now @ matrix for lag, matrix in found.items()}


def norms_by_lag(taps: Taps, low: np.ndarray, high: np.ndarray) -> dict[int, float]:
    """For each lag the largest ||W_s + W_r diag g|| over low <= g <= high (d,), bounded from above two ways."""
    largest, middle, half, d = np.maximum(np.abs(low), np.abs(high)), 0.5 * (low + high), 0.5 * (high - low), len(low)
    norms = {}
    for lag in sorted({*taps.s, *taps.r}):
        W_s, W_r = (by_lag.get(lag, np.zeros((d, d))) for by_lag in (taps.s, taps.r))
        ways = [
            np.linalg.norm(W_s, 2) + np.linalg.norm(W_r * largest, 2),
            np.linalg.norm(W_s + W_r * middle, 2) + np.linalg.norm(W_r * half, 2),
        ]
        norms[lag] = float(min(ways)) * (1 + 1e-9)  # the secants are rounded
    return norms
