"""A right-hand side of the user's own, written in NumPy: `integrate(Flow(f, d))` and scipy on the same function."""

from __future__ import annotations

from collections.abc import Callable
from math import sin

import numpy as np
from tests.benchmarks.harness import OURS, Contender, Job, Solve
from tests.benchmarks.networks import Network, largest_error, network, ode_reference

from ode2rnn import Flow, integrate, signals

END, SAMPLES = 50.0, 101
METHODS = ("LSODA", "DOP853")
ERRORS, SIZES = (1e-3, 1e-6, 1e-10), (2, 10)
# what is asked for: states at samples, the last state alone, an input that is a signal, the solution between nodes
KINDS = ("samples", "the end", "an input", "between nodes")


def jobs(quick: bool) -> dict[str, Callable[[], Job]]:
    """By name, functions that prepare a job."""
    cases = [(1e-6, 2, KINDS[0])] if quick else [(e, d, k) for k in KINDS for e in ERRORS for d in SIZES]
    return {_name(*case): (lambda case=case: _job(*case)) for case in cases}


def _name(error: float, d: int, kind: str) -> str:
    return f"Flow at {error:.0e}, d = {d}, {kind}"


def _job(target: float, d: int, kind: str) -> Job:
    net = network(d, end=END, samples=SAMPLES)
    reference = ode_reference(net)
    contenders = [Contender(OURS, lambda: _ours(net, kind), 1.0)]
    contenders += [Contender(f"scipy {m}", lambda m=m: _scipy(net, m, kind), 1.0) for m in METHODS]
    asks = {f"scipy {m}": 1.0 for m in METHODS}
    return Job(_name(target, d, kind), contenders, largest_error(_kept(reference, kind)), target, asks)


def _kept(states: np.ndarray, kind: str) -> np.ndarray:
    return states[-1:] if kind == "the end" else states


def _rate(net: Network) -> Callable[[float, np.ndarray], np.ndarray]:
    A, B, C, phi = net.A, net.B, net.C, net.phi
    return lambda t, s: A @ s + B @ np.tanh(s) + C * sin(t) + phi


def _ours(net: Network, kind: str) -> Solve:
    A, B, C, phi = net.A, net.B, net.C, net.phi
    span, d = (net.times[0], net.times[-1]), len(net.A)
    flow, x = Flow(_rate(net), d), None
    if kind == "an input":
        flow, x = Flow(lambda t, s, x: A @ s + B @ np.tanh(s) + C * x[0] + phi, d, input_width=1), signals.Sine()
    t = net.times if kind in ("samples", "an input") else span

    def solve(tolerance: float) -> np.ndarray:
        found = integrate(flow, x, t=t, history=net.s0, rtol=tolerance, atol=tolerance)
        return found(net.times) if kind == "between nodes" else _kept(found.s, kind)

    return solve


def _scipy(net: Network, method: str, kind: str) -> Solve:
    from scipy.integrate import solve_ivp

    rate, span = _rate(net), (net.times[0], net.times[-1])
    options = {"the end": {}, "between nodes": {"dense_output": True}}.get(kind, {"t_eval": net.times})

    def solve(tolerance: float) -> np.ndarray:
        given = {"method": method, "rtol": max(tolerance, 3e-14), "atol": tolerance, **options}
        found = solve_ivp(rate, span, net.s0, **given)
        return found.sol(net.times).T if kind == "between nodes" else _kept(found.y.T, kind)

    return solve
