"""Recursions of few states that differ in their weights, LANES of them at a time.  Uses: D5.

With few states the matrices of all lanes stay in the cache, and no common basis is worth its products.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.float64 import warp
from ode2rnn.kernels.products.batch import LANES


@kernel
def _one(W: np.ndarray, forcing: np.ndarray, z: np.ndarray) -> None:
    """s = W_s s + W_r r + forcing for one state; z holds s, then r."""
    for lane in range(LANES):
        z[lane] = forcing[lane] + (W[lane] * z[lane] + W[LANES + lane] * z[LANES + lane])


@kernel
def _two(W: np.ndarray, forcing: np.ndarray, z: np.ndarray) -> None:
    """The same for two states. One function for each pair of lanes of arrays, so that the compiler looks once, not for
    every row, whether they overlap.
    """
    for lane in range(LANES):
        s_0, s_1, r_0, r_1 = z[lane], z[LANES + lane], z[2 * LANES + lane], z[3 * LANES + lane]
        first, second = W[lane] * s_0 + W[LANES + lane] * s_1, W[4 * LANES + lane] * s_0 + W[5 * LANES + lane] * s_1
        first += W[2 * LANES + lane] * r_0 + W[3 * LANES + lane] * r_1
        second += W[6 * LANES + lane] * r_0 + W[7 * LANES + lane] * r_1
        z[lane], z[LANES + lane] = forcing[lane] + first, forcing[LANES + lane] + second


@kernel
def _more(W: np.ndarray, forcing: np.ndarray, z: np.ndarray) -> None:
    """The same for any number of states; the forcing is overwritten."""
    size = len(forcing)
    columns = 2 * size // LANES
    for i in range(size // LANES):
        row = forcing[i * LANES : (i + 1) * LANES]
        for k in range(columns):
            part, other = W[(columns * i + k) * LANES :], z[k * LANES :]
            for lane in range(LANES):
                row[lane] += part[lane] * other[lane]
    for j in range(size):
        z[j] = forcing[j]


@kernel
def _drive(W_x: np.ndarray, theta: np.ndarray, x: np.ndarray, forcing: np.ndarray) -> None:
    """forcing = W_x x + theta, x (m, 1) for all lanes or (m, LANES)."""
    size = len(theta)
    for j in range(size):
        forcing[j] = theta[j]
    for k in range(x.shape[0]):
        if x.shape[1] == 1:
            part, value = W_x[k * size : (k + 1) * size], x[k, 0]
            for j in range(size):
                forcing[j] += part[j] * value
        else:
            for i in range(size // LANES):
                row, weights = forcing[i * LANES : (i + 1) * LANES], W_x[k * size + i * LANES :]
                for lane in range(LANES):
                    row[lane] += weights[lane] * x[k, lane]


@kernel
def sweep_small(
    code: int,
    W: np.ndarray,
    W_x: np.ndarray,
    theta: np.ndarray,
    x: np.ndarray,
    start: np.ndarray,
    ticks: np.ndarray,
    soonest: int,
    final: np.ndarray,
) -> None:
    """s[n] = W_s s[n-1] + W_r r[n-1] + W_x x[n] + theta, for ``ticks`` ticks by lane, ``soonest`` the fewest of them.

    Args:
        W: [W_s, W_r], entry (i, k) of lane l at (2 d i + k) LANES + l.
        W_x: entry (i, k) at (d k + i) LANES + l; theta: i LANES + l.
        x: (N, m, 1) for all lanes, or (N, m, LANES).
        start: s[-1] and r[-1], (2 d * LANES,).
        final: out, (d * LANES,), s of the last tick.
    """
    size = len(theta)
    z, forcing = start.copy(), np.zeros(size)
    for n in range(len(x)):
        _drive(W_x, theta, x[n], forcing)
        if size == LANES:
            _one(W, forcing, z)
        elif size == 2 * LANES:
            _two(W, forcing, z)
        else:
            _more(W, forcing, z)
        warp(code, z[:size], z[size:])
        if n + 1 >= soonest:
            for lane in range(LANES):
                if ticks[lane] == n + 1:
                    for i in range(lane, size, LANES):
                        final[i] = z[i]
