"""Products of the Jacobians of a recursion along a run, and the tangent vectors that they stretch.

Uses: B4.  Products are kept as directions near 1 and a logarithm, so that no lag is too long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# a product is brought back to norm 1 when its norm leaves this range
RANGE = 1e-60, 1e60
TICKS_A_QR = 10


@dataclass(frozen=True, eq=False)
class Linearized:
    """A recursion linearized along a run.

    Attributes:
        width: d, the numbers of one tick.
        size: n, those that the recursion remembers, the latest tick first.
        ticks: N.
        push: for tick n >= 1 and directions (k, size) after the tick before it, those after it.
    """

    width: int
    size: int
    ticks: int
    push: Callable[[int, np.ndarray], np.ndarray]


def products(recursion: Linearized, shown: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """log ||d s[k] / d s[0]|| for every k (N,), and the logarithms of the singular values at the lags ``shown``."""
    d = recursion.width
    V = np.eye(d, recursion.size)  # a deviation of the first tick alone
    log_norms, scale, singular = np.full(recursion.ticks, -np.inf), 0.0, []
    log_norms[0] = 0.5 * np.log(d)
    for n in range(1, recursion.ticks):
        V = recursion.push(n, V)
        product = V[:, :d]
        size = float(np.linalg.norm(product))
        with np.errstate(divide="ignore"):
            log_norms[n] = np.log(size) + scale
            if n in shown:
                values = np.linalg.svd(product, compute_uv=False)
                values[values < d * np.finfo(float).eps * values[0]] = np.nan
                singular.append(np.log(values) + scale)
        largest = float(np.abs(V).max()) if recursion.size > d else size
        if largest and not RANGE[0] < largest < RANGE[1]:
            V = V / largest
            scale += np.log(largest)
    return log_norms, np.array(singular).reshape((-1, d))


def leading_exponents(recursion: Linearized, count: int, half: int) -> np.ndarray:
    """Leading Lyapunov exponents a tick from tick ``half`` on, from tangent vectors that a QR keeps apart."""
    ticks = recursion.ticks
    if count == 0:
        return np.zeros(0)
    V = np.linalg.qr(np.random.default_rng(0).standard_normal((recursion.size, count)))[0].T
    total = np.zeros(count)
    for n in range(1, ticks):
        V = recursion.push(n, V)
        if n % TICKS_A_QR == 0 or n in (half, ticks - 1):
            Q, R = np.linalg.qr(V.T)
            V = Q.T
            if n > half:
                with np.errstate(divide="ignore"):
                    total += np.log(np.abs(np.diag(R)))
    return total / (ticks - 1 - half)
