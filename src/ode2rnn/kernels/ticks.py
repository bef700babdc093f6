"""The loop over ticks of a recursion with matrices by lag.  Uses: D5.

The plain twin is the loop of core.system.run over the step of a CanonicalRNN or TappedRNN.

S and R (depth + N, batch, d) hold the past in their first ``depth`` rows; S holds the bias and the input terms in the
others, to which the kernels add the products.  Tap q multiplies s (kinds[q] = 0) or r (kinds[q] = 1) of lags[q]
ticks ago by W[q].
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ode2rnn.kernels.elementwise import LOOP, warp
from ode2rnn.kernels.product import LANES, add_product


@njit(**LOOP)
def add_columns(WT: np.ndarray, z: np.ndarray, out: np.ndarray) -> None:
    """out += W z for one vector, from the columns of W, the rows of WT."""
    k, n = WT.shape
    inner = k - k % 4
    for p in range(0, inner, 4):
        z0, z1, z2, z3 = z[p], z[p + 1], z[p + 2], z[p + 3]
        w0, w1, w2, w3 = WT[p], WT[p + 1], WT[p + 2], WT[p + 3]
        for i in range(n):
            out[i] += (w0[i] * z0 + w1[i] * z1) + (w2[i] * z2 + w3[i] * z3)
    for p in range(inner, k):
        a, w = z[p], WT[p]
        for i in range(n):
            out[i] += w[i] * a


@njit(**LOOP)
def run_vectors(
    code: int,
    kinds: np.ndarray,
    lags: np.ndarray,
    WT: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
    depth: int,
    first: int,
) -> None:
    """All ticks of the trajectories from ``first`` on, one after the other; WT holds the matrices transposed."""
    rows, batch = S.shape[:2]
    for b in range(first, batch):
        for n in range(depth, rows):
            s = S[n, b]
            for q in range(len(lags)):
                past = S[n - lags[q], b] if kinds[q] == 0 else R[n - lags[q], b]
                add_columns(WT[q], past, s)
            warp(code, s, R[n, b])


@njit(**LOOP)
def run_blocks(
    code: int,
    kinds: np.ndarray,
    lags: np.ndarray,
    W: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
    depth: int,
    first: int,
) -> None:
    """All ticks of the trajectories before ``first``, LANES at a time."""
    rows, _, d = S.shape
    size = d * LANES
    past = np.zeros((2, depth + 1, size))  # the last rows of S and R, lanes last; row n is at n % (depth + 1)
    for start in range(0, first, LANES):
        width = min(LANES, first - start)
        for n in range(rows):
            at = n % (depth + 1)
            s, r = past[0, at], past[1, at]
            for lane in range(width):
                for i in range(d):
                    s[i * LANES + lane] = S[n, start + lane, i]
            if n < depth:
                for lane in range(width):
                    for i in range(d):
                        r[i * LANES + lane] = R[n, start + lane, i]
                continue
            for q in range(len(lags)):
                add_product(W[q], past[kinds[q], (n - lags[q]) % (depth + 1)], s)
            warp(code, s, r)
            for lane in range(width):
                for i in range(d):
                    S[n, start + lane, i] = s[i * LANES + lane]
                    R[n, start + lane, i] = r[i * LANES + lane]
