"""The rules of D10 for many steps at once, in a basis in which they all are multiplications.

Uses: D4, D10.  W_s, P_0 and P_1 of every rule are functions of dT A, so for all dT they share the eigenvectors of A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Eigenvectors nearer to dependent than this would lose digits that the recursion itself keeps.
WORST_CONDITION = 1e4
NEAREST_POLE = 1e-8


@dataclass(frozen=True, eq=False)
class Basis:
    """Real eigenvectors of a matrix: A V = V D, with a block of D ((a, b), (-b, a)) for a pair a +- ib.

    Attributes:
        V, inverse: (d, d).
        values: the eigenvalue of each column (d,), complex: a + ib for the first of a pair, a - ib for the second.
        pairs: the number of conjugate pairs; their columns come first.
        identity: whether A is diagonal, and V the identity.
    """

    V: np.ndarray
    inverse: np.ndarray
    values: np.ndarray
    pairs: int
    identity: bool

    def matrices(self, factor: np.ndarray) -> np.ndarray:
        """The functions of A with these values at its eigenvalues, (K, d) -> (K, d, d)."""
        d, first = len(self.V), np.arange(0, 2 * self.pairs, 2)
        blocks = np.zeros((len(factor), d, d))
        blocks[:, np.arange(d), np.arange(d)] = factor.real
        blocks[:, first, first + 1] = factor.imag[:, first]
        blocks[:, first + 1, first] = -factor.imag[:, first]
        return self.V @ blocks @ self.inverse


def eigenbasis(A: np.ndarray) -> Basis | None:
    """The basis of A (d, d), or None where the eigenvectors are too nearly dependent.

    Example:
        >>> basis = eigenbasis(np.array([[0.0, 1.0], [-1.0, 0.0]]))
        >>> basis.values
        array([0.+1.j, 0.-1.j])
    """
    d = len(A)
    if np.array_equal(A, np.diag(np.diag(A))):
        return Basis(np.eye(d), np.eye(d), np.diag(A).astype(complex), 0, True)
    values, vectors = np.linalg.eig(A)
    values = values.astype(complex)
    upper = np.flatnonzero(values.imag > 0)  # LAPACK puts the conjugate next
    order = np.concatenate([np.stack([upper, upper + 1], axis=1).ravel(), np.flatnonzero(values.imag == 0)])
    V = np.where(values.imag < 0, -vectors.imag, vectors.real)[:, order]
    if not np.linalg.cond(V) <= WORST_CONDITION:
        return None
    return Basis(V, np.linalg.inv(V), values[order], len(upper), False)


def factors(name: str, dts: np.ndarray, values: np.ndarray, alpha: float) -> tuple[np.ndarray, ...] | None:
    """w, p_0, p_1 of a rule, each (K, d), for the eigenvalues of A (d,) and the steps (K,).

    None where a step is too near to a pole of the rule.
    """
    z, h = dts[:, None] * values, dts[:, None] + 0 * values
    if name == "forward_euler":
        return 1 + z, 0 * h, h
    if name in ("exponential", "foh"):
        phi_1, phi_2 = phi(z)
        return (np.exp(z), h * phi_1, 0 * h) if name == "exponential" else (np.exp(z), h * phi_2, h * (phi_1 - phi_2))
    weight = {"tustin": 0.5, "gbt": alpha}.get(name, 1.0)
    pole = 1 - weight * z
    if (np.abs(pole) < NEAREST_POLE * (1 + np.abs(z))).any():
        return None
    return (1 + (1 - weight) * z) / pole, weight * h / pole, (1 - weight) * h / pole


def phi(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """phi_1(z) = (e^z - 1) / z and phi_2(z) = (phi_1(z) - 1) / z of complex numbers, 1 and 1/2 at 0.

    Example:
        >>> phi(np.array([0j]))
        (array([1.+0.j]), array([0.5+0.j]))
    """
    small = np.abs(z) < 1
    near, far = np.where(small, z, 0), np.where(small, 1, z)
    series = [sum(near**k / math.factorial(k + order) for k in range(20)) for order in (1, 2)]
    phi_1 = np.expm1(far) / far
    return np.where(small, series[0], phi_1), np.where(small, series[1], (phi_1 - 1) / far)
