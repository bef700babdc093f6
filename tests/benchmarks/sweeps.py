"""One network sampled with 64 steps dT, 10,000 ticks each: the recursion s[n] = W_s s + W_r r + W_x x + theta_s."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.benchmarks import limits
from tests.benchmarks.harness import OURS, Contender, Job, Solve
from tests.benchmarks.networks import network

from ode2rnn import CanonicalRNN, ContinuousRNN, discretize
from ode2rnn.analysis import Sampling, sweep_steps

TICKS, DTS = 10_000, np.linspace(0.01, 0.5, 64)
ASKS = {2: 20, 64: 3}


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    sizes, ticks = ((2,), 500) if quick else ((2, 64), TICKS)
    return {f"{ticks:,} steps x 64 step sizes, d = {d}": (lambda d=d: _job(d, ticks)) for d in sizes}


def _job(d: int, ticks: int) -> Job:
    net = network(d)
    model = ContinuousRNN(net.A, net.B, net.C[:, None], net.phi)
    x = np.sin(0.1 * np.arange(1, ticks + 1))[:, None]
    loop, one_product = numpy_batched(model, x), numpy_one_product(model, x)
    reference = loop(0.0)

    def ours(tol: float) -> np.ndarray:
        return sweep_steps(model, x, dts=DTS, t=ticks, sampling=Sampling(delay="tied")).final

    def error(outputs: np.ndarray) -> float:
        return float(np.abs(outputs - reference).max())

    return Job(
        f"{ticks:,} steps x 64 step sizes, d = {d}",
        [
            Contender(OURS, lambda: ours),
            Contender("NumPy batched loop", lambda: loop),
            Contender("NumPy batched loop, one product a tick", lambda: one_product),
        ],
        error,
        asks={"NumPy batched loop": ASKS[d]},
        limit=lambda tol: ticks * len(DTS) * (4 * d * d / limits.gemm(d) + d * limits.activation()),
        allowed=1e-10,
    )


def numpy_batched(model: ContinuousRNN, x: np.ndarray) -> Solve:
    """All step sizes at once, each with its own matrices: the recursion as it is written, in batched products."""
    cells = _cells(model)
    W_s, W_r, W_x = (np.stack([getattr(cell, name) for cell in cells]) for name in ("W_s", "W_r", "W_x"))
    theta = np.stack([cell.theta_s for cell in cells])

    def solve(tol: float) -> np.ndarray:
        s = np.zeros((len(DTS), model.width, 1))
        r = np.tanh(s)
        for value in x:
            s = W_s @ s + W_r @ r + (W_x @ value + theta)[:, :, None]
            r = np.tanh(s)
        return s[:, :, 0]

    return solve


def numpy_one_product(model: ContinuousRNN, x: np.ndarray) -> Solve:
    """The same, written for speed: one batched product [W_s | W_r] [s; r] a tick, in memory that is used again."""
    cells = _cells(model)
    W = np.stack([np.hstack([cell.W_s, cell.W_r]) for cell in cells])
    W_x, theta = np.stack([cell.W_x[:, 0] for cell in cells]), np.stack([cell.theta_s for cell in cells])
    d = model.width

    def solve(tol: float) -> np.ndarray:
        z = np.zeros((len(DTS), 2 * d, 1))
        for value in x[:, 0]:
            s = (W @ z)[:, :, 0] + W_x * value + theta
            z[:, :d, 0] = s
            np.tanh(s, out=z[:, d:, 0])
        return s

    return solve


def _cells(model: ContinuousRNN) -> list[CanonicalRNN]:
    return [discretize(ContinuousRNN(model.A, model.B, model.C, model.phi, tau=dt), dt) for dt in DTS]
