"""The linear algebra of a tick, in NumPy and torch.

Uses: B3.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, as_like, broadcast_to, is_torch, stack, to_numpy


def outer(psi: Array, past: Array) -> Array:
    """The sum over the batch of psi past^T (B3), (d, n) from (..., d) and (..., n), whose batch may be smaller."""
    if psi.ndim == 1:
        return psi[:, None] * past
    past = broadcast_to(past, (*psi.shape[:-1], past.shape[-1]))
    return psi.reshape((-1, psi.shape[-1])).T @ past.reshape((-1, past.shape[-1]))


def delayed(x: Array, lag: int) -> Array:
    """x[n - lag] for every n, zero before the first."""
    return stack([x[n - lag] if n >= lag else 0 * x[0] for n in range(len(x))])


def eye_like(like: Array) -> Array:
    """The identity (d, d) of the kind of a vector (d,)."""
    return as_like(np.eye(like.shape[0]), like)


def solve(matrix: Array, right: Array) -> Array:
    """matrix^-1 right for vectors (..., d)."""
    linalg: Any = sys.modules["torch"].linalg if is_torch(matrix) else np.linalg
    return linalg.solve(matrix, right[..., None])[..., 0]


def solve_each(matrix: Array, slope: Array, right: Array) -> Array:
    """The same; where one state (.., 1, d) has many directions (.., k, d), they are solved for together."""
    if slope.ndim < 2 or slope.shape[-2] != 1 or right.ndim < 2:
        return solve(matrix, right)
    linalg: Any = sys.modules["torch"].linalg if is_torch(matrix) else np.linalg
    return linalg.solve(matrix[..., 0, :, :], right.swapaxes(-1, -2)).swapaxes(-1, -2)


def steepest(G: Activation, s: Array) -> float:
    """sup |G'|; where it is not known, the largest slope at the states ``s`` stands in."""
    return G.steepest if np.isfinite(G.steepest) else float(np.abs(to_numpy(G.slope(s))).max())


def norm(W: Array) -> float:
    """The largest singular value of a matrix."""
    return float(np.linalg.norm(to_numpy(W), 2))
