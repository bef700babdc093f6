"""One trajectory of a delay equation, with error control."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks import limits, peers
from tests.benchmarks.harness import OURS, Contender, Job
from tests.benchmarks.networks import Network, dde_reference, largest_error, network

ASKS = {(1e-6, 2): 10, (1e-6, 10): 20, (1e-6, 100): 80, (1e-10, 2): 100, (1e-10, 10): 200, (1e-10, 100): 800}


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    sizes = [(1e-6, 2)] if quick else list(ASKS)
    return {f"DDE at {target:.0e}, d = {d}": (lambda t=target, d=d: _job(t, d)) for target, d in sizes}


def _job(target: float, d: int) -> Job:
    net = network(d, tau=1.0)
    contenders = [
        Contender(OURS, lambda: net.ours(), 1.0),
        Contender("jitcdde", lambda: peers.jitcdde(net)),
    ]
    reference = dde_reference(net, 4, 24 if d < 100 else 18)
    return Job(
        f"DDE at {target:.0e}, d = {d}",
        contenders,
        largest_error(reference),
        target,
        {"jitcdde": ASKS[target, d]},
        lambda tol: _work(net, tol),
    )


def _work(net: Network, tolerance: float) -> float:
    """Seconds of the products B r and of the activations of our run alone."""
    d = len(net.A)
    return net.evaluations(tolerance) * (2 * d * d / limits.gemm(d) + d * limits.activation())
