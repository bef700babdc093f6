"""What this machine can do, one thread: rates of products and activations, measured in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def fastest(run: Callable[[], Any], seconds: float = 0.1) -> float:
    """The best CPU time of one call, over about ``seconds``."""
    began = time.process_time()
    run()
    repeats = max(1, round(seconds / 10 / max(time.process_time() - began, 1e-7)))
    best = np.inf
    for _ in range(10):
        began = time.process_time()
        for _ in range(repeats):
            run()
        best = min(best, (time.process_time() - began) / repeats)
    return best


_BEST: dict[str, float] = {}  # seconds; other work on the machine only ever lengthens them


def best(what: str, run: Callable[[], Any]) -> float:
    """The shortest CPU time of one call seen so far in this process, measured again at every call."""
    _BEST[what] = min(fastest(run), _BEST.get(what, np.inf))
    return _BEST[what]


def gemm(d: int) -> float:
    """Flops a second of [A | B] (d, 2d) by (2d, n), the best n of 24, 64 and 256, or of a large square product."""
    rng = np.random.default_rng(0)
    rates = []
    for rows, inner, columns in [(d, 2 * d, 24), (d, 2 * d, 64), (d, 2 * d, 256), (100, 200, 256), (500, 500, 500)]:
        a, b, out = rng.random((rows, inner)), rng.random((inner, columns)), np.empty((rows, columns))
        seconds = best(f"{rows} {inner} {columns}", lambda a=a, b=b, out=out: np.dot(a, b, out))
        rates.append(2 * rows * inner * columns / seconds)
    return max(rates)


def gemv(d: int) -> float:
    """Flops a second of [A | B] z; below d = 100 the rate at 100, where a call to BLAS costs little of it."""
    d = max(d, 100)
    a, z, out = np.random.default_rng(0).random((d, 2 * d)), np.ones(2 * d), np.empty(d)
    return 4 * d * d / best(f"gemv {d}", lambda: np.dot(a, z, out))


def activation() -> float:
    """Seconds per tanh, by our kernel or by NumPy, whichever is faster, on a block that stays in the cache."""
    from ode2rnn.kernels.elementwise.activations import warp
    from ode2rnn.kernels.elementwise.codes import TANH

    s = 2.0 * np.random.default_rng(0).standard_normal(2048)
    r = np.empty_like(s)
    kernel, numpy = best("tanh", lambda: warp(TANH, s, r)), best("np.tanh", lambda: np.tanh(s, out=r))
    return min(kernel, numpy) / len(s)


def all_limits() -> dict[str, float]:
    """The rates, for the table."""
    return {
        "product, d = 10, GFLOP/s": gemm(10) / 1e9,
        "product, d = 100, GFLOP/s": gemm(100) / 1e9,
        "matrix by vector, d = 100, GFLOP/s": gemv(100) / 1e9,
        "matrix by vector, d = 1000, GFLOP/s": gemv(1000) / 1e9,
        "tanh, ns": activation() * 1e9,
    }
