"""The product of a matrix with the states of a block: LANES columns, one for each trajectory or step size.

A block holds its columns feature by feature: entry (i, l) is at i * LANES + l of a flat array. There is one matrix for
all columns, or one for each.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.vectors import REGISTER, address
from ode2rnn.kernels.products.tile import LANES, VECTORS, strip, tile_block

FEW = 4  # rows, of which a tile has one and all columns
PART = VECTORS * REGISTER // 8  # columns in the width of a panel


@inner
def weights_for(W: np.ndarray) -> np.ndarray:
    """What a block keeps of the matrices: W (n, k) itself, or room for those of its columns, of (P, n, k)."""
    if W.ndim == 2:
        return W
    return np.zeros(W.shape[1] * W.shape[2] * LANES)


@inner
def load_weights(W: np.ndarray, n: int, lane: int, block: np.ndarray) -> None:
    """Matrix n of (P, n, k) into a column; nothing where one serves all."""
    if W.ndim == 3:
        for i in range(W.shape[1]):
            for p in range(W.shape[2]):
                block[(i * W.shape[2] + p) * LANES + lane] = W[n, i, p]


@inner
def multiply(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z for W (n, k) that serves all columns, or flat with one for each: entry (i, p) at (i k + p) LANES."""
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
            tile_block(0.0, row, (address(Z), LANES, 0), (address(out) + 8 * i * LANES, 0), k)
        return
    for lane in range(0, LANES, PART):
        strip(0.0, (address(W), k, 1), (address(Z) + 8 * lane, LANES, 0), (address(out) + 8 * lane, LANES), n, k)


@inner
def add_own_product(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += W Z where each column has its own W: entry (i, p) of column l at (i k + p) LANES + l."""
    n, k = len(out) // LANES, len(Z) // LANES
    for i in range(n):
        row, weights = out[i * LANES : (i + 1) * LANES], W[i * k * LANES : (i + 1) * k * LANES]
        for p in range(k):
            w, z = weights[p * LANES : (p + 1) * LANES], Z[p * LANES : (p + 1) * LANES]
            for j in range(LANES):
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
