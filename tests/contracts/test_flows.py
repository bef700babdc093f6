"""Every flow answers every question as a small-step solver of one's own does, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.contracts.brute import difference
from tests.contracts.subjects import FLOWS

from ode2rnn import CanonicalRNN, Flow, bptt, integrate, retime, run, signals, undiscretize, unroll
from ode2rnn.analysis import (
    Attractors,
    Equilibria,
    bifurcation,
    characteristic_roots,
    convergence,
    discrete_roots,
    fixed_points,
    gradient_flow,
    lyapunov,
    phase_plane,
    truncation,
)
from ode2rnn.core.arrays import to_numpy

HELD = np.array([0.3])
PARAMETER = {"Flow": ("drive", 1.0, 1.4), "Flow, delayed": ("beta", 1.0, 1.5)}
every = pytest.mark.parametrize("name", FLOWS)


def held(flow: Flow) -> np.ndarray | None:
    return HELD if flow.input_width else None


def start_of(flow: Flow) -> np.ndarray:
    return 0.3 + 0.1 * np.arange(flow.width)


def by_steps(flow: Flow, s0: np.ndarray, x: np.ndarray | None, T: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """s and v at T by explicit Euler steps from a constant past, extrapolated from three numbers of steps."""

    def euler(n: int) -> np.ndarray:
        h = T / n
        v0 = np.zeros(flow.feedback_width)
        ys = {0: np.concatenate([s0, v0])}
        past = lambda k: ys[k] if k >= 0 else np.concatenate([s0, v0])  # noqa: E731
        s = s0
        for k in range(n + 1):
            late = [past(k - round(tau / h)) for tau in flow.delays]
            if flow.feedback_width:
                ys[k] = np.concatenate([s, flow.feedback(k * h, s, late, x)])
            else:
                ys[k] = s
            if k < n:
                s = s + h * flow.rate(k * h, s, late, x)
        return ys[n]

    a, b, c = (euler(count * k) for k in (1, 2, 4))
    first, second = 2 * b - a, 2 * c - b
    both = (4 * second - first) / 3
    return both[: flow.width], both[flow.width :]


@every
def test_it_is_solved_as_small_steps_solve_it(name: str) -> None:
    flow = FLOWS[name]
    s0, x = start_of(flow), held(flow)
    signal = None if x is None else signals.Constant(x)
    found = integrate(flow, signal, t=(0.0, 2.0), history=s0, rtol=1e-9, atol=1e-11)
    s, v = by_steps(flow, s0, x, 2.0, 1000)
    np.testing.assert_allclose(found.s[-1], s, atol=3e-6)
    if len(v):
        np.testing.assert_allclose(found.r[-1], v, atol=3e-6)


@every
def test_it_rests_where_its_rate_is_zero_and_its_roots_solve_the_characteristic_equation(name: str) -> None:
    flow = FLOWS[name]
    x = held(flow)
    found = fixed_points(flow, x, starts=16)
    assert len(found) >= 1
    for point in found.points[:2]:
        s = point.s
        settled = flow.settled()
        np.testing.assert_allclose(settled.rate(0.0, s, (), x), 0, atol=1e-10)
        v = np.zeros(flow.feedback_width)
        for _ in range(200):  # v of itself
            both = (np.concatenate([s, v]),) * len(flow.delays)
            v = flow.feedback(0.0, s, both, x) if len(v) else v
        y = np.concatenate([s, v])

        def now(at: np.ndarray, y: np.ndarray = y) -> np.ndarray:
            return flow.rate(0.0, at, (y,) * len(flow.delays), x)

        def late(k: int, s: np.ndarray = s, y: np.ndarray = y) -> np.ndarray:
            def moved(at: np.ndarray) -> np.ndarray:
                past = [at if i == k else y for i in range(len(flow.delays))]
                rate = flow.rate(0.0, s, past, x)
                return np.concatenate([rate, flow.feedback(0.0, s, past, x)]) if flow.feedback_width else rate

            return difference(moved, y)

        d, q = flow.width, flow.feedback_width if flow.delays else 0
        E, J = np.diag(np.r_[np.ones(d), np.zeros(q)]), np.zeros((d + q, d + q))
        J[:d, :d] = difference(now, s)
        if q:
            J[d:, :d] = difference(lambda at, y=y: flow.feedback(0.0, at, (y,), x), s)
            J[d:, d:] = -np.eye(q)
        roots = characteristic_roots(flow, s, count=3, x=x)
        np.testing.assert_allclose(point.roots[: len(roots)], roots[: len(point.roots)], rtol=1e-8)
        for root in roots:
            parts = [late(k) * np.exp(-root * tau) for k, tau in enumerate(flow.delays)]
            delta = root * E - J - sum(parts, np.zeros_like(J))
            sizes = np.linalg.svd(delta, compute_uv=False)
            assert sizes[-1] < 1e-6 * max(1.0, sizes[0])


@every
def test_at_rest_the_leading_exponent_is_the_real_part_of_the_leading_root(name: str) -> None:
    flow = FLOWS[name]
    x = held(flow)
    point = fixed_points(flow, x, starts=16).points[0]
    found = lyapunov(flow, x, T=120, s0=point.s, count=1)
    assert found.exponents[0] == pytest.approx(point.roots[0].real, abs=0.03)


@every
def test_branches_over_a_number_are_rests_of_the_flow_with_it(name: str) -> None:
    flow = FLOWS[name]
    parameter, low, high = PARAMETER.get(name, ("gain", 0.6, 0.9))
    search = Attractors(2, 30.0, 5.0)
    found = bifurcation(flow, parameter, [low, high], x=held(flow), attractors=search, equilibria=Equilibria(4))
    assert len(found.branches) >= 1
    for branch in found.branches:
        for k in (0, len(branch.values) - 1):
            own = flow.parameter(parameter)(float(branch.values[k])).settled()
            np.testing.assert_allclose(own.rate(0.0, branch.states[k], (), held(flow)), 0, atol=1e-9)
    assert np.isfinite(found.up).all()


@every
def test_over_the_step_its_samples_rest_where_it_does(name: str) -> None:
    flow = FLOWS[name]
    x = held(flow)
    scheme = "implicit_linear" if name.endswith("tau = 0") else "backward_euler"
    steps = [0.1] if not flow.delays else [0.1 if "three" in name else 0.25]
    if "three" in name:
        steps = [0.1]
    both = [*steps, 2 * steps[0]] if not flow.delays else [steps[0] / 2, steps[0]]
    if name == "Flow, delayed":  # the samples of a delayed flow of one's own are a past, no vector
        with pytest.raises(ValueError, match="expected a model without delays"):
            bifurcation(flow, "dT", both, scheme, x=x, attractors=False, equilibria=Equilibria(4))
        return
    found = bifurcation(flow, "dT", both, scheme, x=x, attractors=False, equilibria=Equilibria(8))
    rests = fixed_points(flow, x, starts=32).states
    for branch in found.branches:
        gaps = np.abs(rests - branch.states[0][: flow.width]).max(axis=1)
        assert gaps.min() < 1e-7


@every
def test_the_field_of_the_plane_is_its_rate(name: str) -> None:
    flow = FLOWS[name]
    x = held(flow)
    plane = phase_plane(flow, x, starts=2, T=1.0, grid=3)
    for i, a in enumerate(plane.a):
        for j, b in enumerate(plane.b if len(plane.b) else [0.0]):
            at = plane.centre + a * plane.axes[0] + (b * plane.axes[1] if len(plane.axes) > 1 else 0)
            field = plane.field[j, i] if len(plane.b) else plane.field[i]
            np.testing.assert_allclose(field, plane.axes @ flow.settled().rate(0.0, at, (), x), atol=1e-10)
    assert ("past at rest" in plane.held) == bool(flow.delays)


@every
def test_its_samples_converge_to_it_at_order_one(name: str) -> None:
    flow = FLOWS[name]
    x = None if not flow.input_width else signals.Sine(0.5, 2.0)
    delay = "tied" if name.endswith("tau = 0") else "fixed"
    study = convergence(flow, x, t=(0.0, 1.0), history=start_of(flow), dts=0.1 * 0.5 ** np.arange(5), delay=delay)
    assert study.order["final"] == pytest.approx(1.0, abs=0.2)


ONLY_TICKS: dict[str, Callable[[Any], Any]] = {
    "run": lambda flow: run(flow, np.zeros((3, 1))),
    "bptt": lambda flow: bptt(flow, np.zeros((3, 1)), np.zeros((3, flow.width))),
    "unroll": lambda flow: unroll(flow, 2),
    "gradient_flow": lambda flow: gradient_flow(flow, np.zeros((5, 1))),
    "truncation": lambda flow: truncation(flow, np.zeros((5, 1))),
    "discrete_roots": discrete_roots,
    "retime": lambda flow: retime(flow, 0.1),
    "undiscretize": undiscretize,
}


@every
@pytest.mark.parametrize("ask", ONLY_TICKS)
def test_what_needs_ticks_says_how_a_flow_gets_them(name: str, ask: str) -> None:
    said = r"discretize|Sampled|a flow has characteristic_roots|expected a CanonicalRNN or VanillaLSTM, got"
    with pytest.raises(ValueError, match=said):
        ONLY_TICKS[ask](FLOWS[name])


def test_a_map_has_multipliers_and_no_characteristic_roots() -> None:
    with pytest.raises(ValueError, match="the multipliers of a map are its discrete_roots"):
        characteristic_roots(CanonicalRNN(0.5, 0.2, None, 0.0))


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "fixed_points": fixed_points,
    "lyapunov": lyapunov,
    "bifurcation": lambda f: bifurcation(f, "a", [0.0, 1.0]),
    "phase_plane": phase_plane,
    "characteristic_roots": characteristic_roots,
    "discrete_roots": discrete_roots,
    "gradient_flow": lambda f: gradient_flow(f, 5),
    "truncation": lambda f: truncation(f, 5),
    "convergence": lambda f: convergence(f, t=(0, 1), history=1.0, dts=[0.5, 0.25]),
    "integrate": lambda f: integrate(f, t=(0, 1), history=1.0),
    "run": lambda f: run(f, 3),
}


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_bare_function_is_neither_read_as_a_flow_nor_as_a_map(ask: str) -> None:
    with pytest.raises(ValueError, match=r"Flow\(f, width\)|Map\(F, width\)"):
        QUESTIONS[ask](lambda s: -s)
    assert to_numpy(1.0) == 1.0
