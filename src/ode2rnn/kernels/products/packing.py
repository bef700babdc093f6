"""How a kernel for one trajectory wants the matrices of a network: packed once, in plain NumPy.  Uses: C9."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

VECTOR = 4  # states are padded to a multiple of this, the numbers in one vector
PANEL = 3 * VECTOR  # rows whose sums fit into registers


def padded(d: int) -> int:
    """The length of a vector of d states in a kernel."""
    return d + -d % VECTOR


def pack(A: np.ndarray, B: np.ndarray, d: int) -> tuple[np.ndarray, int, int]:
    """[A | B] as one flat array, and how many columns of each are in it.

    First the diagonals of A and B, where a matrix is diagonal and has no columns, else zeros; then panels of 12 rows,
    and of 4 for the rest, each column after column: a product streams the memory once. A matrix that is not there has
    no columns either. Columns are even in number. Up to four states both matrices have four columns.

    Args:
        A, B: matrices (d, d), or (0, 0) for none.
        d: number of states.
    """
    width = padded(d)
    diagonals, blocks = np.zeros((2, width)), []
    for n, matrix in enumerate((A, B)):
        columns = 0
        if width == VECTOR:
            columns = VECTOR
        elif np.count_nonzero(matrix) == np.count_nonzero(matrix.diagonal()):
            diagonals[n, : len(matrix)] = matrix.diagonal()
        else:
            columns = d + d % 2
        block = np.zeros((width, columns))
        if columns:
            block[: len(matrix), : len(matrix)] = matrix
        blocks.append(block)
    rows, whole = np.concatenate(blocks, axis=1), width // PANEL * PANEL
    starts = [*range(0, whole, PANEL), *range(whole, width, VECTOR), width]
    panels = [rows[i:j].ravel(order="F") for i, j in pairwise(starts)]
    flat = np.concatenate([diagonals.ravel(), *panels])
    return flat, blocks[0].shape[1], blocks[1].shape[1]
