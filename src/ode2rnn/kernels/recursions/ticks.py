"""The loop over ticks of a recursion with matrices by lag.  Uses: D5.

The plain twin is the loop of core.run over the step of a CanonicalRNN or TappedRNN.

S and R hold the past in their first ``depth`` rows, of depth + N, and X (depth_x + N, batch or 1, m) that of the input.
Tap q multiplies s (kinds[q] = 0) or r (kinds[q] = 1) of lags[q] ticks ago by W[q], the taps of the input those of x.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.float64 import warp
from ode2rnn.kernels.products.batch import LANES, add_product


@kernel
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


@kernel
def run_vectors(
    code: int,
    taps: tuple[np.ndarray, np.ndarray, np.ndarray],
    input_taps: tuple[np.ndarray, np.ndarray],
    theta: np.ndarray,
    X: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
    depth: int,
) -> None:
    """One trajectory after the other, S and R (depth + N, batch, d); the matrices come transposed."""
    kinds, lags, WT = taps
    input_lags, input_WT = input_taps
    rows, batch, d = S.shape
    depth_x, shared = X.shape[0] - (rows - depth), X.shape[1] == 1
    for b in range(batch):
        column = 0 if shared else b
        for n in range(depth, rows):
            s = S[n, b]
            for i in range(d):
                s[i] = theta[i]
            for q in range(len(input_lags)):
                add_columns(input_WT[q], X[n - depth + depth_x - input_lags[q], column], s)
            for q in range(len(lags)):
                add_columns(WT[q], S[n - lags[q], b] if kinds[q] == 0 else R[n - lags[q], b], s)
            warp(code, s, R[n, b])


@kernel
def run_blocks(
    code: int,
    taps: tuple[np.ndarray, np.ndarray, np.ndarray],
    input_taps: tuple[np.ndarray, np.ndarray],
    theta: np.ndarray,
    X: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
    depth: int,
) -> None:
    """LANES trajectories at a time, S and R (depth + N, d, batch)."""
    kinds, lags, W = taps
    input_lags, input_W = input_taps
    rows, d, batch = S.shape
    m, depth_x, shared = X.shape[2], X.shape[0] - (rows - depth), X.shape[1] == 1
    last = np.zeros((2, 2, d * LANES))  # the rows n - 1 and n of S and R; row n is at n % 2
    older, x = np.zeros(d * LANES), np.zeros(m * LANES)
    for start in range(0, batch, LANES):
        width = min(LANES, batch - start)
        for n in range(depth - 1, rows):
            s, r = last[0, n % 2], last[1, n % 2]
            if n < depth:
                _load(S[n], start, width, s)
                _load(R[n], start, width, r)
                continue
            for i in range(d):
                for lane in range(LANES):
                    s[i * LANES + lane] = theta[i]
            for q in range(len(input_lags)):
                now = X[n - depth + depth_x - input_lags[q]]
                for lane in range(width):
                    for i in range(m):
                        x[i * LANES + lane] = now[0 if shared else start + lane, i]
                add_product(input_W[q], x, s)
            for q in range(len(lags)):
                if lags[q] == 1:
                    add_product(W[q], last[kinds[q], (n - 1) % 2], s)
                    continue
                _load((S if kinds[q] == 0 else R)[n - lags[q]], start, width, older)
                add_product(W[q], older, s)
            warp(code, s, r)
            _store(s, start, width, S[n])
            _store(r, start, width, R[n])


@kernel
def _load(rows: np.ndarray, start: int, width: int, block: np.ndarray) -> None:
    for i in range(rows.shape[0]):
        for lane in range(width):
            block[i * LANES + lane] = rows[i, start + lane]


@kernel
def _store(block: np.ndarray, start: int, width: int, rows: np.ndarray) -> None:
    for i in range(rows.shape[0]):
        for lane in range(width):
            rows[i, start + lane] = block[i * LANES + lane]
