"""The tanh of the kernels, on a block that stays in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.benchmarks.harness import OURS, Contender, Job, Solve

SIZE, PASSES, MOST_ULP = 2048, 20, 3.0


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    return {"tanh, 2048 numbers": _job}


def _job() -> Job:
    s = np.random.default_rng(0).uniform(-6.0, 6.0, SIZE)
    r = np.empty_like(s)
    exact, ulp = _exact(s)

    def ours() -> Solve:
        from ode2rnn.kernels.elementwise.activations import warp
        from ode2rnn.kernels.elementwise.codes import TANH

        return lambda tol: [warp(TANH, s, r) for _ in range(PASSES)] and r.copy()

    def numpy() -> Solve:
        return lambda tol: [np.tanh(s, out=r) for _ in range(PASSES)] and r.copy()

    def error(outputs: Any) -> float:
        """In units of the last place."""
        return float((np.abs((outputs.astype(np.longdouble) - exact)) / ulp).max())

    contenders = [Contender(OURS, ours), Contender("np.tanh", numpy)]
    name = f"tanh, {SIZE} numbers {PASSES} times, error in ulp"
    return Job(name, contenders, error, allowed=MOST_ULP)


def _exact(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tanh with 30 digits, rounded to long doubles (or doubles), and the unit of the last place of a double."""
    import mpmath

    with mpmath.workdps(30):
        high = [mpmath.tanh(mpmath.mpf(float(v))) for v in s]
        # a double and what is missing from it
        first = np.array([float(v) for v in high])
        rest = np.array([float(v - mpmath.mpf(f)) for v, f in zip(high, first.tolist(), strict=True)])
    return first.astype(np.longdouble) + rest, np.spacing(np.abs(first))
