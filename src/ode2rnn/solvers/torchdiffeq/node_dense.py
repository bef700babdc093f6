"""Dense output for methods that give nodes only: Hermite cubics, lifted by integrating the right-hand side."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, as_like, einsum, to_numpy
from ode2rnn.core.dense import barycentric_weights, interpolation_matrix
from ode2rnn.solvers.problem import Segment
from ode2rnn.solvers.solution import precision

K = 8
MOST_SWEEPS = 40
THETA = 0.5 - 0.5 * np.cos(np.pi * np.arange(K) / (K - 1))


def _integral() -> np.ndarray:
    gauss, weights = np.polynomial.legendre.leggauss(K)
    gauss, weights = 0.5 * (1 + gauss), 0.5 * weights
    lagrange = barycentric_weights(THETA)
    return np.stack([p * weights @ interpolation_matrix(THETA, lagrange, p * gauss) for p in THETA])


INTEGRAL = _integral()


def dense_values(segment: Segment, times: np.ndarray, states: Array, order: int) -> Array:
    """Values (P, K, ..., d) on the P steps between ``times``, as accurate as a method of that order.

    The cubic through both ends and their slopes has an error of h^4, enough for a method of order four. For
    higher orders it is the start of Picard's iteration s <- s0 + integral f(s), which gains an order each time (the
    bootstrapping of Enright et al. 1986) and, on steps as long as a method of order eight takes, goes on to its
    limit. The end values are kept.
    """
    h = as_like(np.diff(times), states).reshape((-1, 1) + (1,) * (states.ndim - 1))
    left, right = states[:-1, None], states[1:, None]
    slopes = segment.rate(segment.forcing(times), states)
    u = as_like(THETA, states).reshape((1, K) + (1,) * (states.ndim - 1))
    rise = u * u * (3 - 2 * u)
    values = (
        left + rise * (right - left) + h * u * (1 - u) ** 2 * slopes[:-1, None] + h * u * u * (u - 1) * slopes[1:, None]
    )
    at = (times[:-1, None] + np.diff(times)[:, None] * THETA).ravel()
    integral = as_like(INTEGRAL, states)
    if order <= 4:
        return values
    forcing = segment.forcing(at)
    for _ in range(MOST_SWEEPS):
        before = values
        rates = segment.rate(forcing, values.reshape((-1, *values.shape[2:]))).reshape(values.shape)
        values = left + h * einsum("ij,pj...->pi...", integral, rates)
        values = values + u * (right - values[:, -1:])
        moved, size = (abs(to_numpy(v)).reshape((len(v), -1)).max(axis=1) for v in (values - before, values))
        if not (moved > 100 * precision(values) * size).any():
            break
    return values
