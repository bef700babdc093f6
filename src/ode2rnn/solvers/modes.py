"""The eigenvectors of A as a real basis, in which the equation is diagonal or turns pairs of components."""

from __future__ import annotations

import numpy as np

# A basis worse than this would cost more digits than the accuracy asked of closed forms.
WORST_CONDITION = 1e3


def real_modes(A: np.ndarray) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Eigenvalues of A (one of each pair, the upper) and a real basis V (d, d), None where it is 1.

    The columns are the real eigenvectors, then the real, then the imaginary parts of the upper ones. For a pair
    p + i q of eigenvalue a + i b, s = alpha p + beta q: alpha + i beta evolves with the eigenvalue a - i b.
    None where no such basis is well-conditioned.
    """
    diagonal = np.diag(A)
    if not np.any(A - np.diag(diagonal)):
        return diagonal.astype(complex), None
    values, vectors = np.linalg.eig(A)
    real, upper = values.imag == 0, values.imag > 0
    basis = np.concatenate([vectors[:, real].real, vectors[:, upper].real, vectors[:, upper].imag], axis=1)
    if not np.linalg.cond(basis) < WORST_CONDITION:
        return None
    return np.concatenate([values[real], values[upper]]), basis
