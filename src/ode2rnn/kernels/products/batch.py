"""The product of a matrix with the states of a block of lanes, without a BLAS and so without its threads.

One matrix for all lanes, or one for each.

A block holds LANES columns, feature by feature: entry (i, l) is at i * LANES + l of a flat array. The constant length
lets the compiler see that the rows of a block do not overlap; four rows of the result and four of the operand at a
time keep the arithmetic units, not the memory, at the limit.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel

LANES = 64


@inner
def weights_for(W: np.ndarray) -> np.ndarray:
    """What a block keeps of the matrices: W (n, k) itself, or room for those of its lanes, of (P, n, k)."""
    if W.ndim == 2:
        return W
    return np.zeros(W.shape[1] * W.shape[2] * LANES)


@inner
def load_weights(W: np.ndarray, n: int, lane: int, block: np.ndarray) -> None:
    """Matrix n of (P, n, k) into a lane; nothing where one serves all."""
    if W.ndim == 3:
        for i in range(W.shape[1]):
            for p in range(W.shape[2]):
                block[(i * W.shape[2] + p) * LANES + lane] = W[n, i, p]


@inner
def multiply(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z for W (n, k) that serves all lanes, or flat with one for each: entry (i, p) at (i k + p) LANES."""
    if W.ndim == 2:
        add_product(W, Z, out)
    else:
        add_own_product(W, Z, out)


@kernel
def add_product(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z for W (n, k), a block Z of k rows and a block out of n rows."""
    n, k = W.shape
    rows, inner = n - n % 4, k - k % 4
    for p in range(0, inner, 4):
        z0 = p * LANES
        for i in range(0, rows, 4):
            a00, a01, a02, a03 = W[i, p], W[i, p + 1], W[i, p + 2], W[i, p + 3]
            a10, a11, a12, a13 = W[i + 1, p], W[i + 1, p + 1], W[i + 1, p + 2], W[i + 1, p + 3]
            a20, a21, a22, a23 = W[i + 2, p], W[i + 2, p + 1], W[i + 2, p + 2], W[i + 2, p + 3]
            a30, a31, a32, a33 = W[i + 3, p], W[i + 3, p + 1], W[i + 3, p + 2], W[i + 3, p + 3]
            o0 = i * LANES
            for j in range(LANES):
                z_0 = Z[z0 + j]
                z_1 = Z[z0 + LANES + j]
                z_2 = Z[z0 + 2 * LANES + j]
                z_3 = Z[z0 + 3 * LANES + j]
                out[o0 + j] += a00 * z_0 + a01 * z_1 + a02 * z_2 + a03 * z_3
                out[o0 + LANES + j] += a10 * z_0 + a11 * z_1 + a12 * z_2 + a13 * z_3
                out[o0 + 2 * LANES + j] += a20 * z_0 + a21 * z_1 + a22 * z_2 + a23 * z_3
                out[o0 + 3 * LANES + j] += a30 * z_0 + a31 * z_1 + a32 * z_2 + a33 * z_3
    # the last rows and columns; a slice tells the compiler that no index is negative
    if n - rows >= 2:
        pair = out[rows * LANES : (rows + 2) * LANES]
        for p in range(0, inner, 4):
            b00, b01, b02, b03 = W[rows, p], W[rows, p + 1], W[rows, p + 2], W[rows, p + 3]
            b10, b11, b12, b13 = W[rows + 1, p], W[rows + 1, p + 1], W[rows + 1, p + 2], W[rows + 1, p + 3]
            z1 = p * LANES
            for j in range(LANES):
                z_0 = Z[z1 + j]
                z_1 = Z[z1 + LANES + j]
                z_2 = Z[z1 + 2 * LANES + j]
                z_3 = Z[z1 + 3 * LANES + j]
                pair[j] += b00 * z_0 + b01 * z_1 + b02 * z_2 + b03 * z_3
                pair[LANES + j] += b10 * z_0 + b11 * z_1 + b12 * z_2 + b13 * z_3
    if n % 2:
        last = out[(n - 1) * LANES : n * LANES]
        for p in range(inner):
            c0, z2 = W[n - 1, p], p * LANES
            for j in range(LANES):
                last[j] += c0 * Z[z2 + j]
    for p in range(inner, k):
        one = Z[p * LANES : (p + 1) * LANES]
        for i in range(n):
            e0, o3 = W[i, p], i * LANES
            for j in range(LANES):
                out[o3 + j] += e0 * one[j]


@inner
def add_own_product(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z where each lane has its own W: entry (i, p) of lane l at (i k + p) LANES + l."""
    n, k = len(out) // LANES, len(Z) // LANES
    inner = k - k % 4
    for i in range(n):
        row, weights = out[i * LANES : (i + 1) * LANES], W[i * k * LANES : (i + 1) * k * LANES]
        for p in range(0, inner, 4):
            w, z = weights[p * LANES : (p + 4) * LANES], Z[p * LANES : (p + 4) * LANES]
            for j in range(LANES):
                first = w[j] * z[j] + w[LANES + j] * z[LANES + j]
                row[j] += first + (w[2 * LANES + j] * z[2 * LANES + j] + w[3 * LANES + j] * z[3 * LANES + j])
        for p in range(inner, k):
            w1, z1 = weights[p * LANES : (p + 1) * LANES], Z[p * LANES : (p + 1) * LANES]
            for j in range(LANES):
                row[j] += w1[j] * z1[j]
