"""The eigenvectors of A as a real basis, in which the equation is diagonal or turns pairs of components."""

from __future__ import annotations

import numpy as np

# A basis worse than this would cost more digits than the accuracy asked of closed forms.
WORST_CONDITION = 1e3
# Sixteen Radau nodes follow a growth of e^8 to seven digits; beyond e^16 they follow nothing and their coefficients
# fall all the same. No run is cut into more segments than this for it: it would leave the finite numbers long before.
MOST_GROWTH, MOST_SEGMENTS = 8.0, 10_000


def fastest_growth(A: np.ndarray) -> float:
    """The rate of the fastest growing mode of A, 0 where none grows."""
    return max(0.0, float(np.linalg.eigvals(A).real.max())) if np.isfinite(A).all() else 0.0


def longest_segment(delay: float, growth: float, span: tuple[float, float]) -> float:
    """The shortest delay, or so small a part of it that no mode grows further than the nodes can follow.

    A polynomial cannot show how far a faster growth has left it behind: its coefficients fall all the same.
    """
    longest = max(MOST_GROWTH / growth, (span[1] - span[0]) / MOST_SEGMENTS) if growth > 0 else np.inf
    return delay / np.ceil(delay / longest) if longest < delay < np.inf else min(delay, longest)


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
