"""Products of the Jacobians of a recursion along a run, and the tangent vectors that they stretch.

Uses: B4.  Products are kept as a matrix near 1 and a logarithm, so that no lag is too long.
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
    """A recursion linearized along a run: d s[n] / d s[n-k] by lag k.

    Attributes:
        width: d, the length of the state.
        depth: the largest k.
        ticks: N.
        at: for tick n, the blocks (d, d) by lag k, 1 <= k <= min(n, depth).
    """

    width: int
    depth: int
    ticks: int
    at: Callable[[int], dict[int, np.ndarray]]


def products(recursion: Linearized, shown: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """log ||d s[k] / d s[0]|| for every k (N,), and the logarithms of the singular values at the lags ``shown``."""
    d, depth = recursion.width, recursion.depth
    past = [np.eye(d)]  # the latest first
    log_norms, scale, singular = np.full(recursion.ticks, -np.inf), 0.0, []
    log_norms[0] = 0.5 * np.log(d)
    for n in range(1, recursion.ticks):
        blocks = recursion.at(n)
        product = sum((block @ past[lag - 1] for lag, block in blocks.items() if lag <= len(past)), np.zeros((d, d)))
        size = float(np.sqrt(np.vdot(product, product)))
        past = [product, *past[: depth - 1]]
        with np.errstate(divide="ignore"):
            log_norms[n] = np.log(size) + scale
            if n in shown:
                values = np.linalg.svd(product, compute_uv=False)
                values[values < d * np.finfo(float).eps * values[0]] = np.nan
                singular.append(np.log(values) + scale)
        largest = max(float(np.abs(p).max()) for p in past) if depth > 1 else size
        if largest and not RANGE[0] < largest < RANGE[1]:
            past = [p / largest for p in past]
            scale += np.log(largest)
    return log_norms, np.array(singular).reshape((-1, d))


def leading_exponents(recursion: Linearized, count: int, half: int) -> np.ndarray:
    """Leading Lyapunov exponents a tick from tick ``half`` on, from tangent vectors that a QR keeps apart."""
    d, depth, ticks = recursion.width, recursion.depth, recursion.ticks
    if count == 0:
        return np.zeros(0)
    Y = np.linalg.qr(np.random.default_rng(0).standard_normal((depth * d, count)))[0]
    total = np.zeros(count)
    for n in range(1, ticks):
        new = np.zeros((d, count))
        for lag, block in recursion.at(n).items():
            new += block @ Y[(lag - 1) * d : lag * d]
        Y = new if depth == 1 else np.concatenate([new, Y[:-d]])
        if n % TICKS_A_QR == 0 or n in (half, ticks - 1):
            Y, R = np.linalg.qr(Y)
            if n > half:
                with np.errstate(divide="ignore"):
                    total += np.log(np.abs(np.diag(R)))
    return total / (ticks - 1 - half)
