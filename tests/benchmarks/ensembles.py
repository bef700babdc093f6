"""Many trajectories of one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tests.benchmarks import limits, peers
from tests.benchmarks.harness import OURS, Contender, Job, Solve
from tests.benchmarks.networks import Network, largest_error, network, ode_reference

COUNT, CHECKED = 1024, 16  # trajectories, and how many of them have a reference
STEPS = 200
FIXED_ASK = {10: 0.6, 100: 0.7}  # of the limit
ADAPTIVE_ASKS = {
    10: {"diffrax vmap Tsit5": 4},
    100: {"diffrax vmap Tsit5": 1.4},
}


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    sizes, count = ((10,), 64) if quick else ((10, 100), COUNT)
    fixed = {f"ensemble RK4, d = {d}, {count} trajectories": (lambda d=d: _fixed(d, count)) for d in sizes}
    adaptive = {f"ensemble at 1e-06, d = {d}, {count}": (lambda d=d: _adaptive(d, count)) for d in sizes}
    return fixed | adaptive


def _ensemble(d: int, count: int) -> tuple[Network, np.ndarray]:
    net = network(d, count=count, end=10.0, samples=11)
    return net, ode_reference(replace(net, s0=net.s0[:CHECKED]), 1e-12)


def step_work(d: int) -> float:
    """Seconds of the product and the activation of one right-hand side of one trajectory."""
    return 4 * d * d / limits.gemm(d) + d * limits.activation()


def _fixed(d: int, count: int) -> Job:
    net, reference = _ensemble(d, count)
    solve = net.ours(method="rk4", dt=10.0 / STEPS)
    return Job(
        f"ensemble RK4, d = {d}, {count} trajectories",
        [Contender(OURS, lambda: lambda tol: solve(1e-6)), Contender("NumPy RK4, whole batch", lambda: numpy_rk4(net))],
        largest_error(reference),
        limit=lambda tol: 4 * STEPS * count * step_work(d),
        limit_ask=FIXED_ASK[d],
        allowed=1e-6,
    )


def numpy_rk4(net: Network) -> Solve:
    """Classical RK4 of all trajectories at once, samples kept."""
    A_t, B_t = net.A.T.copy(), net.B.T.copy()
    h = (net.times[-1] - net.times[0]) / STEPS
    every = STEPS // (len(net.times) - 1)

    def rate(t: float, s: np.ndarray) -> np.ndarray:
        return s @ A_t + np.tanh(s) @ B_t + (net.C * np.sin(t) + net.phi)

    def solve(tol: float) -> np.ndarray:
        s, kept = net.s0, [net.s0]
        for n in range(STEPS):
            t = n * h
            k1 = rate(t, s)
            k2 = rate(t + h / 2, s + h / 2 * k1)
            k3 = rate(t + h / 2, s + h / 2 * k2)
            k4 = rate(t + h, s + h * k3)
            s = s + h / 6 * (k1 + 2 * (k2 + k3) + k4)
            if (n + 1) % every == 0:
                kept.append(s)
        return np.stack(kept)

    return solve


def _adaptive(d: int, count: int) -> Job:
    net, reference = _ensemble(d, count)
    return Job(
        f"ensemble at 1e-06, d = {d}, {count} trajectories",
        [
            Contender(OURS, lambda: net.ours(), 1.0),
            Contender("diffrax vmap Tsit5", lambda: peers.diffrax(net)),
            Contender("torchode Tsit5", lambda: peers.torchode(net)),
            Contender("torchdiffeq dopri5, one step for all", lambda: peers.torchdiffeq(net)),
        ],
        largest_error(reference),
        1e-6,
        ADAPTIVE_ASKS[d],
        # the statistics hold the most steps of any trajectory: an upper bound of the work
        lambda tol: net.evaluations(tol) * count * step_work(d),
    )
