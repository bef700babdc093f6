"""How a kernel for one trajectory wants the matrices of a network: packed once.  Uses: C9."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

VECTOR = 4  # states are padded to a multiple of this, the numbers in one Vector
PANEL = 3 * VECTOR  # rows whose sums fit into registers


def padded(d: int) -> int:
    """The length of a vector of d states in a kernel."""
    return d + -d % VECTOR


def pack_pair(A: np.ndarray, B: np.ndarray, d: int) -> tuple[np.ndarray, int, int]:
    """A and B as one flat array for :func:`ode2rnn.kernels.products.tile.add_to_vector`, and how many columns of each
    are in it.

    First the diagonals of A and B, where a matrix is diagonal and has no columns, else zeros; then those of each matrix
    that is not, in panels of 12 rows, and of 4 for the rest. A matrix that is not there is a diagonal of zeros.

    Args:
        A, B: matrices (d, d), or (0, 0) for none.
        d: number of states.
    """
    width = padded(d)
    starts = [*range(0, width // PANEL * PANEL, PANEL), *range(width // PANEL * PANEL, width, VECTOR), width]
    diagonals, panels, columns = np.zeros((2, width)), [], []
    for n, matrix in enumerate((A, B)):
        diagonal = np.count_nonzero(matrix) == np.count_nonzero(matrix.diagonal())
        columns.append(0 if diagonal else d)
        if diagonal:
            diagonals[n, : len(matrix)] = matrix.diagonal()
            continue
        rows = np.zeros((width, d))
        rows[:d] = matrix
        panels += [rows[i:j].ravel(order="F") for i, j in pairwise(starts)]
    return np.concatenate([diagonals.ravel(), *panels]), columns[0], columns[1]
