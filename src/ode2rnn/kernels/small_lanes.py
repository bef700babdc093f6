"""Recursions of few states that differ in their weights, LANES of them at a time.  Uses: D5.

With few states the matrices of all lanes stay in the cache, and no common basis is worth its products.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ode2rnn.kernels.elementwise import LOOP, warp
from ode2rnn.kernels.product import LANES


@njit(**LOOP)
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
        W_x: likewise, (m i + k) LANES + l; theta: i LANES + l.
        x: (N, m, 1) for all lanes, or (N, m, LANES).
        start: s[-1] and r[-1], (2 d * LANES,).
        final: out, (d * LANES,), s of the last tick.
    """
    size, m = len(theta), x.shape[1]
    d, shared = size // LANES, x.shape[2] == 1
    z, s = start.copy(), np.zeros(size)
    for n in range(len(x)):
        for i in range(d):
            row, base = s[i * LANES : (i + 1) * LANES], theta[i * LANES : (i + 1) * LANES]
            weights = W[2 * d * i * LANES : 2 * d * (i + 1) * LANES]
            for lane in range(LANES):
                row[lane] = base[lane]
            for k in range(m):
                part, values = W_x[(m * i + k) * LANES : (m * i + k + 1) * LANES], x[n, k]
                if shared:
                    value = values[0]
                    for lane in range(LANES):
                        row[lane] += part[lane] * value
                else:
                    for lane in range(LANES):
                        row[lane] += part[lane] * values[lane]
            if d == 1:
                for lane in range(LANES):
                    row[lane] += weights[lane] * z[lane] + weights[LANES + lane] * z[LANES + lane]
            elif d == 2:
                for lane in range(LANES):
                    first = weights[lane] * z[lane] + weights[LANES + lane] * z[LANES + lane]
                    second = weights[2 * LANES + lane] * z[2 * LANES + lane]
                    row[lane] += first + (second + weights[3 * LANES + lane] * z[3 * LANES + lane])
            else:
                for k in range(2 * d):
                    part, other = weights[k * LANES :], z[k * LANES :]
                    for lane in range(LANES):
                        row[lane] += part[lane] * other[lane]
        for j in range(size):
            z[j] = s[j]
        warp(code, s, z[size:])
        if n + 1 >= soonest:
            for lane in range(LANES):
                if ticks[lane] == n + 1:
                    for i in range(d):
                        final[i * LANES + lane] = s[i * LANES + lane]
