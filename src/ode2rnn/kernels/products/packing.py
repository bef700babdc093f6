"""How the products want their matrices: packed once, in plain NumPy.  Uses: C9."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ode2rnn.kernels.door import empty

VECTOR = 4  # states of a trajectory are padded to a multiple of this, the numbers in one Vector
PANEL = 3 * VECTOR  # rows whose sums fit into registers


def packed(W: np.ndarray, width: int) -> np.ndarray:
    """W (m, k) in panels of ``width`` rows, (panels, k, width): entry (c, p, l) is W[c width + l, p], 0 past the last.

    Example:
        >>> packed(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), 2)[1]
        array([[5., 0.],
               [6., 0.]])
    """
    m, k = W.shape
    if m == 0:
        return np.empty((0, k, width), W.dtype)
    whole, rest = divmod(m, width)
    out = empty((whole + (rest > 0), k, width), W.dtype)
    out[:whole] = W[: whole * width].reshape((whole, width, k)).swapaxes(1, 2)
    if rest:
        out[whole] = 0.0
        out[whole, :, :rest] = W[whole * width :].T
    return out


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
