"""The product of a matrix with the states of a block: COLUMNS columns, one for each trajectory or step size.

A block holds its columns feature by feature: entry (i, l) is at i * COLUMNS + l of a flat array. There is one matrix
for all columns, or one for each.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.vectors import REGISTER, address
from ode2rnn.kernels.products.tile import COLUMNS, VECTORS, strip, tile_block

FEW = 4  # rows, of which a tile has one and all columns
PART = VECTORS * REGISTER // 8  # columns in the width of a panel


@inner
def weights_for(W: np.ndarray) -> np.ndarray:
    """What a block keeps of the matrices: W (n, k) itself, or room for those of its columns, of (P, n, k)."""
    if W.ndim == 2:
        return W
    return np.zeros(W.shape[1] * W.shape[2] * COLUMNS)


@inner
def load_weights(W: np.ndarray, n: int, column: int, block: np.ndarray) -> None:
    """Matrix n of (P, n, k) into a column; nothing where one serves all."""
    if W.ndim == 3:
        for i in range(W.shape[1]):
            for p in range(W.shape[2]):
                block[(i * W.shape[2] + p) * COLUMNS + column] = W[n, i, p]


@inner
def multiply(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z for W (n, k) that serves all columns, or flat with one for each: entry (i, p) at (i k + p) COLUMNS."""
    if W.ndim == 2:
        add_product(W, Z, out)
    else:
        add_own_product(W, Z, out)


@kernel
def add_product(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z for W (n, k), a block Z of k rows and a block out of n rows."""
    n, k = W.shape
    if n < FEW:
        for i in range(n):
            row = (address(W) + 8 * i * k, 0, 1)
            tile_block(0.0, row, (address(Z), COLUMNS, 0), (address(out) + 8 * i * COLUMNS, 0), k)
        return
    for column in range(0, COLUMNS, PART):
        strip(
            0.0, (address(W), k, 1), (address(Z) + 8 * column, COLUMNS, 0), (address(out) + 8 * column, COLUMNS), n, k
        )


@inner
def add_own_product(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z where each column has its own W: entry (i, p) of column l at (i k + p) COLUMNS + l."""
    n, k = len(out) // COLUMNS, len(Z) // COLUMNS
    for i in range(n):
        row, weights = out[i * COLUMNS : (i + 1) * COLUMNS], W[i * k * COLUMNS : (i + 1) * k * COLUMNS]
        for p in range(k):
            w, z = weights[p * COLUMNS : (p + 1) * COLUMNS], Z[p * COLUMNS : (p + 1) * COLUMNS]
            for j in range(COLUMNS):
                row[j] += w[j] * z[j]


@inner
def weighted_sum(weights: np.ndarray, n: int, K: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of the first n of the blocks K (.., size), each times its weight."""
    for j in range(len(out)):
        out[j] = 0.0
    for i in range(n):
        row, weight = K[i], weights[i]
        for j in range(len(out)):
            out[j] += weight * row[j]
