"""Collocation at Radau points on one panel: the linear solve inside the spectral method of steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.core.dense import barycentric_weights, interpolation_matrix
from ode2rnn.solvers.spectral.modes import WORST_CONDITION

# Beyond this many unknowns a panel is solved in the eigenbasis of A instead of by one dense matrix.
DENSE_UNKNOWNS = 400


class Nodes(NamedTuple):
    """Relative nodes on a panel and their matrices.

    Attributes:
        theta: 0 and the K Radau points, the last of them 1, (K + 1,).
        integral: Q (K, K), the integrals from 0 to node i of the Lagrange polynomials at the K points.
        to_legendre: values at all K + 1 nodes to Legendre coefficients, (K + 1, K + 1).
    """

    theta: np.ndarray
    integral: np.ndarray
    to_legendre: np.ndarray


@lru_cache
def radau_nodes(k: int) -> Nodes:
    """Right Radau points: collocation there is stiffly accurate and damps fast modes (Hairer and Wanner, IV.5)."""
    # zeros of the Jacobi polynomial (1, 0) of degree k - 1, eigenvalues of the matrix of its recurrence
    n = np.arange(k - 1)
    beside = np.sqrt(n[1:] * (n[1:] + 1.0)) / (2 * n[1:] + 1.0)
    interior = np.linalg.eigvalsh(
        np.diag(-1.0 / ((2 * n + 1.0) * (2 * n + 3.0))) + np.diag(beside, 1) + np.diag(beside, -1)
    )
    points = np.concatenate([0.5 * (1 + interior), [1.0]])
    theta = np.concatenate([[0.0], points])
    gauss, weights = np.polynomial.legendre.leggauss(k)
    gauss, weights = 0.5 * (1 + gauss), 0.5 * weights
    lagrange = barycentric_weights(points)
    integral = np.stack([p * weights @ interpolation_matrix(points, lagrange, p * gauss) for p in points])
    to_legendre = np.linalg.inv(np.polynomial.legendre.legvander(2 * theta - 1, k))
    return Nodes(theta, integral, to_legendre)


Solve = Callable[[Array], Array]


def panel_solvers(A: Array | None, integral: np.ndarray) -> Callable[[float], Solve]:
    """For a length h, the solution operator of S - h Q S A' = R for R of shape (K, ..., d).

    One dense matrix where it is small, else the eigenbasis of A, unless that is ill-conditioned. In torch gradients
    flow to R and A.
    """
    if A is None:
        return lambda h: lambda R: R
    if is_torch(A):
        from ode2rnn.solvers.spectral.adjoint_solve import panel_operators

        return panel_operators(A, integral)
    if len(integral) * A.shape[0] > DENSE_UNKNOWNS:
        values, vectors = np.linalg.eig(A) if np.any(A - np.diag(np.diag(A))) else (np.diag(A), None)
        if vectors is None or np.linalg.cond(vectors) < WORST_CONDITION:
            return lambda h: _by_modes(values, vectors, h, integral)
    return lambda h: _dense(A, h, integral)


def _dense(A: np.ndarray, h: float, integral: np.ndarray) -> Solve:
    from scipy.linalg import lu_factor, lu_solve

    # component after component, as the compiled twin has it: where A couples scales far apart one way, as a chain
    # does, the matrix is block triangular and pivots stay inside its blocks
    k, d = len(integral), len(A)
    factors = lu_factor(np.eye(k * d) - h * np.kron(A, integral))

    def solver(R: np.ndarray) -> np.ndarray:
        # (K, ..., d) -> (d K, batch) and back; values that are not finite go through, to be told by the error
        columns = R.reshape((k, -1, d)).transpose(2, 0, 1).reshape((d * k, -1))
        solved = lu_solve(factors, columns, check_finite=False)
        return solved.reshape((d, k, -1)).transpose(1, 2, 0).reshape(R.shape)

    return solver


def _by_modes(values: np.ndarray, vectors: np.ndarray | None, h: float, integral: np.ndarray) -> Solve:
    k = len(integral)
    operators = np.linalg.inv(np.eye(k) - h * values[:, None, None] * integral)
    inverse = None if vectors is None else np.linalg.inv(vectors)

    def solver(R: np.ndarray) -> np.ndarray:
        modes = R if inverse is None else R @ inverse.T
        flat = modes.reshape((k, -1, len(values)))
        solved = np.einsum("dij,jbd->ibd", operators, flat, optimize=True).reshape(modes.shape)
        return solved if vectors is None else np.real(solved @ vectors.T)

    return solver
