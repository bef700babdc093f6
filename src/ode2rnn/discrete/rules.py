"""Rules that turn a differential equation into a recursion.

Home of: D10.  Source: "The Roots of RNN" (backward Euler); the names are those of scipy.signal.cont2discrete.

D10  ds/dt = A s + u, with u the delayed terms, the input and the bias, becomes
     s[n] = W_s s[n-1] + P_0 u[n] + P_1 u[n-1]
     and each rule is a choice of W_s, P_0, P_1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode2rnn.core.arrays import Array, as_like, concatenate, is_torch, to_numpy
from ode2rnn.core.resolvent import resolvent

Weights = tuple[Array, Array | None, Array | None]
Rule = Callable[[Array, float, float], Weights]


@dataclass(frozen=True)
class Scheme:
    """A rule of D10.

    Attributes:
        rule: (A, dT, alpha) -> (W_s, P_0, P_1), each (d, d); P_0 or P_1 is None where u[n] or u[n-1] is not used.
        order: declared order of convergence where u is smooth (of gbt, where alpha is not 1/2).
        late: whether an undelayed readout is taken one sample late, which keeps the recursion explicit.
    """

    rule: Rule
    order: int
    late: bool = False


def _backward_euler(A: Array, dt: float, alpha: float) -> Weights:
    """W_s = (I - dT A)^-1, P_0 = dT W_s   (D4)."""
    W_s = resolvent(A, dt)
    return W_s, dt * W_s, None


def _forward_euler(A: Array, dt: float, alpha: float) -> Weights:
    """W_s = I + dT A, P_1 = dT I."""
    return _eye(A) + dt * A, None, dt * _eye(A)


def _gbt(A: Array, dt: float, alpha: float) -> Weights:
    """The generalized bilinear rule: the right-hand side is alpha of the new plus (1 - alpha) of the last sample."""
    if alpha == 0:
        return _forward_euler(A, dt, alpha)
    if alpha == 1:
        return _backward_euler(A, dt, alpha)
    M = resolvent(A, alpha * dt, f"{alpha:g} dT")
    return M @ (_eye(A) + (1 - alpha) * dt * A), alpha * dt * M, (1 - alpha) * dt * M


def _tustin(A: Array, dt: float, alpha: float) -> Weights:
    """The trapezoidal rule, gbt with alpha = 1/2."""
    return _gbt(A, dt, 0.5)


def _exponential(A: Array, dt: float, alpha: float) -> Weights:
    """Exact where u is constant on (t[n-1], t[n]]: W_s = e^{dT A}, P_0 = dT phi_1(dT A)."""
    W_s, phi_1, _ = phi_functions(dt * A)
    return W_s, dt * phi_1, None


def _foh(A: Array, dt: float, alpha: float) -> Weights:
    """Exact where u is linear between samples: P_0 = dT phi_2(dT A), P_1 = dT (phi_1 - phi_2)."""
    W_s, phi_1, phi_2 = phi_functions(dt * A)
    return W_s, dt * phi_2, dt * (phi_1 - phi_2)


SCHEMES: dict[str, Scheme] = {
    "backward_euler": Scheme(_backward_euler, order=1),
    "implicit_linear": Scheme(_backward_euler, order=1, late=True),
    "forward_euler": Scheme(_forward_euler, order=1),
    "gbt": Scheme(_gbt, order=1),
    "tustin": Scheme(_tustin, order=2),
    "exponential": Scheme(_exponential, order=1, late=True),
    "foh": Scheme(_foh, order=2),
}
ALIASES: dict[str, str] = {
    "backward_diff": "backward_euler",
    "euler": "forward_euler",
    "forward_diff": "forward_euler",
    "bilinear": "tustin",
    "trapezoidal": "tustin",
    "zoh": "exponential",
}


def phi_functions(Z: Array) -> tuple[Array, Array, Array]:
    """e^Z, phi_1(Z) = (e^Z - I) Z^-1 and phi_2(Z) = (phi_1(Z) - I) Z^-1 for every Z (d, d), singular ones too.

    The last two are in the first row of the exponential of [[Z, I, 0], [0, 0, I], [0, 0, 0]], nothing is divided by Z.
    It is taken of Z / 2^k of norm one or less, and doubled k times: with F = e^Z - I,
    2 phi_1(2 Z) = (F + 2 I) phi_1(Z),  4 phi_2(2 Z) = (F + 2 I) phi_2(Z) + phi_1(Z)  and F(2 Z) = (F + 2 I) F,
    which keeps the digits of slow states beside fast ones.

    Example:
        >>> [float(phi[0, 0]) for phi in phi_functions(np.zeros((1, 1)))]
        [1.0, 1.0, 0.5]
    """
    d = Z.shape[0]
    norm = float(np.abs(to_numpy(Z)).sum(axis=0).max())
    doublings = max(0, math.frexp(norm)[1]) if np.isfinite(norm) else 0
    small = 2.0**-doublings * Z
    zero = 0.0 * Z
    rows = [[small, _eye(Z), zero], [zero, zero, _eye(Z)], [zero, zero, zero]]
    row = expm(concatenate([concatenate(blocks, axis=1) for blocks in rows]))[:d]
    phi_1, phi_2 = row[:, d : 2 * d], row[:, 2 * d :]
    F = small @ phi_1
    for _ in range(doublings):
        raised = F + 2.0 * _eye(Z)
        phi_1, phi_2, F = raised @ phi_1 / 2, (raised @ phi_2 + phi_1) / 4, raised @ F
    return expm(Z), phi_1, phi_2


def expm(Z: Array) -> Array:
    """e^Z by scipy or torch."""
    if is_torch(Z):
        import torch

        return torch.linalg.matrix_exp(Z)
    from scipy.linalg import expm

    return expm(Z)


def _eye(A: Array) -> Array:
    return as_like(np.eye(A.shape[0]), A)
