"""One trajectory of an ordinary equation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.benchmarks import limits, peers
from tests.benchmarks.harness import OURS, Contender, Job
from tests.benchmarks.networks import Network, largest_error, network, ode_reference

# by (error, d): the time of the peer over ours, at least
ASKS = {
    (1e-6, 2): {"scipy LSODA": 80, "diffrax Tsit5": 4},
    (1e-6, 10): {"scipy LSODA": 60, "diffrax Tsit5": 7},
    (1e-6, 100): {"scipy LSODA": 4, "diffrax Tsit5": 1.3},
    (1e-10, 2): {},
    (1e-10, 10): {},
    (1e-10, 100): {},
    (1e-6, 1000): {},
}


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    sizes = [(1e-6, 2), (1e-6, 10)] if quick else list(ASKS)
    found = {f"ODE at {target:.0e}, d = {d}": (lambda t=target, d=d: _job(t, d)) for target, d in sizes}
    if not quick:
        found["ODE at 1e-06, d = 1000, A diagonal"] = lambda: _job(1e-6, 1000, diagonal=True)
    return found


def _job(target: float, d: int, diagonal: bool = False) -> Job:
    net = network(d, diagonal=diagonal)
    asks: dict[str, float] = {} if diagonal else ASKS[target, d]
    contenders = [Contender(OURS, lambda: net.ours(), 1.0), Contender("scipy LSODA", lambda: peers.scipy(net, "LSODA"))]
    if diagonal:
        contenders.append(Contender("scipy LSODA, told that A is diagonal", lambda: peers.scipy(net, "LSODA", True)))
    elif d < 1000:
        contenders.append(Contender("scipy DOP853", lambda: peers.scipy(net, "DOP853")))
        if target > 1e-8:
            contenders.append(Contender("scipy RK45", lambda: peers.scipy(net, "RK45")))
            contenders.append(Contender("diffrax Tsit5", lambda: peers.diffrax(net)))
            contenders.append(Contender("torchdiffeq dopri5", lambda: peers.torchdiffeq(net)))
            contenders.append(Contender("ode2rnn, x = np.sin, a function", lambda: net.ours(x=np.sin)))
    name = f"ODE at {target:.0e}, d = {d}" + (", A diagonal" if diagonal else "")
    reference = ode_reference(net, 3e-14 if d < 1000 else 1e-9)
    limit = None if diagonal else lambda tol: _products(net, tol)
    return Job(name, contenders, largest_error(reference), target, asks, limit)


def _products(net: Network, tolerance: float) -> float:
    """Seconds of the products [A | B] z of our run alone."""
    d = len(net.A)
    return net.evaluations(tolerance) * 4 * d * d / limits.gemv(d)
