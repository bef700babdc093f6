"""(I - h A)^-1, the one inverse of the implicit rules, refused where rounding has eaten it."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, as_like, is_torch, to_numpy

# the largest relative error of an inverse that is still one: two digits
WORST_ERROR = 1e-2


def resolvent(A: Array, h: float, name: str = "dT") -> Array:
    """(I - h A)^-1 for A (d, d), differentiable in torch; ``name`` is what messages call h.

    Raises:
        ValueError: h A overflows, or 1 / h is so near to an eigenvalue of A that the inverse has not two right digits.

    Example:
        >>> resolvent(np.array([[-2.0]]), 0.5)
        array([[0.5]])
    """
    with np.errstate(all="ignore"):
        scaled = to_numpy(A) * h
    if not np.isfinite(scaled).all():
        raise ValueError(f"{name} A overflows at {name} = {h:g}; try a smaller dt")
    eye = np.eye(len(scaled))
    if inverse_error(eye - scaled, eye + np.abs(scaled), A) > WORST_ERROR:
        raise ValueError(
            f"I - {name} A is singular, to rounding, at {name} = {h:g}: A has the eigenvalue {1 / h:g};"
            " try a smaller dt"
        )
    return solve(as_like(eye, A) - h * A, as_like(eye, A))


def inverse_error(M: np.ndarray, terms: np.ndarray, like: Array) -> float:
    """Relative error of M^-1 where M (d, d) carries the rounding of ``terms``; infinity where M is singular.

    The worst column of |M^-1| terms |M^-1| against that of |M^-1|: scaling the rows of M changes nothing, so fast and
    slow states side by side are not ill conditioned.
    """
    try:
        with np.errstate(all="ignore"):
            inverse = np.abs(np.linalg.inv(M))
            error = _eps(like) * float(((inverse @ terms @ inverse).max(axis=0) / inverse.max(axis=0)).max())
    except np.linalg.LinAlgError:
        return np.inf
    return error if np.isfinite(error) else np.inf


def _eps(like: Array) -> float:
    if is_torch(like):
        import torch

        return torch.finfo(like.dtype).eps
    return float(np.finfo(like.dtype).eps)


def solve(M: Array, right: Array) -> Array:
    """M^-1 right, in NumPy or torch."""
    if is_torch(M):
        import torch

        return torch.linalg.solve(M, right)
    return np.linalg.solve(M, right)
