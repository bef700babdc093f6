"""Every system answers every question as an own loop over its ticks does, or says why it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.contracts import brute
from tests.contracts.subjects import DELAYED, SYSTEMS

from ode2rnn import bptt, impulse_response, run, unroll
from ode2rnn.analysis import (
    Attractors,
    Equilibria,
    bifurcation,
    discrete_roots,
    fixed_points,
    gradient_flow,
    lyapunov,
    phase_plane,
    spectral_radius,
    truncation,
)

N = 9
X = np.random.default_rng(0).normal(size=(N, 1))
HELD = np.array([0.3])
# the number that each of these is asked about; of all others the gain of what feeds the readout back
PARAMETER = {
    "Map": "r", "Map of a module": "weight_hh[0, 1]", "Sampled flow": "drive", "chain T2": "W_r[0, 1]",
    "chain T3": "W_r[0, 1]", "chain T4": "W_r[0, 1]",
}  # fmt: skip
LARGER = {"Map": 0.4}
LESS = ("Sampled, tsit5",)  # its steps are chosen for all members together
SOLVED = ("tsit5", "Sampled, one delay")  # ticks that are taken by a solver to its own tolerance
everyone = pytest.mark.parametrize("name", SYSTEMS)
delayed = pytest.mark.parametrize("name", DELAYED)


def near(name: str, usual: float) -> float:
    return 1e-7 if "tsit5" in name else usual


@pytest.mark.parametrize("name", [*SYSTEMS, *DELAYED])
def test_run_is_a_loop_over_its_ticks(name: str) -> None:
    cell = (SYSTEMS | DELAYED)[name]
    s0 = 0.2 * np.random.default_rng(1).normal(size=cell.width)
    s, r = brute.loop(cell, X, s0)
    found = run(cell, brute.as_own(cell, X), brute.as_own(cell, s0))
    np.testing.assert_allclose(brute.to_numpy(found.s), s, atol=1e-13)
    np.testing.assert_allclose(brute.to_numpy(found.r), r, atol=1e-13)


@everyone
def test_bptt_is_the_derivative_of_the_loop(name: str) -> None:
    cell = SYSTEMS[name]
    s0 = 0.2 * np.random.default_rng(1).normal(size=cell.width)
    weight = np.random.default_rng(2).normal(size=brute.loop(cell, X, s0)[1].shape)
    back = bptt(cell, brute.as_own(cell, X), brute.as_own(cell, weight), brute.as_own(cell, s0))
    of_x = brute.difference(lambda x: np.array([(weight * brute.loop(cell, x, s0)[1]).sum()]), X)
    of_s = brute.difference(lambda s: np.array([(weight * brute.loop(cell, X, s)[1]).sum()]), s0)
    np.testing.assert_allclose(brute.to_numpy(back.x_bar).ravel(), of_x[0], atol=near(name, 2e-8) * 10)
    np.testing.assert_allclose(brute.to_numpy(back.s0_bar), of_s[0], atol=near(name, 2e-8) * 10)
    # and by every weight: along one random direction of all of them
    weights = {k: brute.to_numpy(v) for k, v in cell.weights().items()}
    rng = np.random.default_rng(3)
    along = {k: rng.normal(size=v.shape) for k, v in weights.items()}

    def moved(eps: float) -> float:
        own = cell.with_weights({k: brute.as_own(cell, v + eps * along[k]) for k, v in weights.items()})
        return float((weight * brute.loop(own, X, s0)[1]).sum())

    slope = (moved(brute.EPS) - moved(-brute.EPS)) / (2 * brute.EPS)
    record = back.gradients.weights()
    total = sum(float((brute.to_numpy(record[k]) * along[k]).sum()) for k in weights)
    assert total == pytest.approx(slope, abs=near(name, 2e-8) * 20, rel=1e-6)


@everyone
def test_the_bptt_of_a_batch_is_that_of_each_member(name: str) -> None:
    cell, rng = SYSTEMS[name], np.random.default_rng(4)
    x, s0 = rng.normal(size=(4, 3, 1)), 0.2 * rng.normal(size=(3, cell.width))
    weight = rng.normal(size=(4, 3, brute.loop(cell, X, s0[0])[1].shape[-1]))
    own = [brute.as_own(cell, a) for a in (x, weight, s0)]
    whole = bptt(cell, *own)
    each = [bptt(cell, own[0][:, k], own[1][:, k], own[2][k]) for k in range(3)]
    atol = 1e-5 if name in LESS else 1e-9
    for k in range(3):
        np.testing.assert_allclose(brute.to_numpy(whole.x_bar)[:, k], brute.to_numpy(each[k].x_bar), atol=atol)
        np.testing.assert_allclose(brute.to_numpy(whole.s0_bar)[k], brute.to_numpy(each[k].s0_bar), atol=atol)
    for key, value in whole.gradients.weights().items():
        total = sum(brute.to_numpy(one.gradients.weights()[key]) for one in each)
        np.testing.assert_allclose(brute.to_numpy(value), total, atol=atol)


@everyone
def test_unrolled_every_segment_starts_from_zero_and_sees_all_inputs(name: str) -> None:
    cell, K = SYSTEMS[name], 4
    state, shown = brute.start(cell), []
    for n, seen in enumerate(brute.seen_by(cell, X)):
        if n and n % K == 0:
            state = brute.start(cell)
        state = cell.step(state, brute.as_own(cell, seen))
        shown.append(brute.to_numpy(cell.readout(state)[0]))
    np.testing.assert_allclose(brute.to_numpy(run(unroll(cell, K), brute.as_own(cell, X)).s), shown, atol=1e-13)


@everyone
def test_impulse_responses_are_differences_of_two_runs(name: str) -> None:
    cell = SYSTEMS[name]
    ahead, ticks = cell.window[1], 5
    rest = brute.rest_of(cell, np.zeros(1))
    state = cell.unflatten(brute.as_own(cell, rest), None, brute.rows(cell, np.zeros((12, 1)))[6])[0]
    found = impulse_response(cell, ticks, state)
    eps, at = 1e-5, 8

    def late(size: float) -> np.ndarray:
        x = np.zeros((20, 1))
        x[at] = size
        return np.array([brute.to_numpy(cell.readout(s)[0]) for s in brute.ticks(cell, x, state)])

    expected = (late(eps) - late(-eps))[at - ahead : at - ahead + ticks] / (2 * eps)
    np.testing.assert_allclose(brute.to_numpy(found)[: len(expected), :, 0], expected, atol=1e-6)


@everyone
def test_products_of_jacobians_are_differences_of_the_later_states(name: str) -> None:
    cell = brute.plain(SYSTEMS[name]).by_states()
    found = gradient_flow(SYSTEMS[name], X, singular=0)
    rows = brute.rows(cell, X)
    v = brute.vector(cell, brute.start(cell))
    v = brute.one_tick(cell, v, rows[0])
    d = len(v) // cell.depth

    def later(change: np.ndarray) -> np.ndarray:
        at, ends = v + np.concatenate([change, np.zeros(len(v) - d)]), []
        for row in rows[1:]:
            at = brute.one_tick(cell, at, row)
            ends.append(at[:d])
        return np.concatenate(ends)

    J = brute.difference(later, np.zeros(d)).reshape((N - 1, d, d))
    np.testing.assert_allclose(found.norms[1:], np.linalg.norm(J, axis=(1, 2)), rtol=1e-5, atol=near(name, 1e-8))


@everyone
def test_fixed_points_are_left_by_no_tick_and_have_the_multipliers_of_differences(name: str) -> None:
    system = SYSTEMS[name]
    cell = brute.plain(system)
    found = fixed_points(system, HELD, starts=12)
    row = brute.rows(cell, np.tile(HELD, (12, 1)))[6]
    if name == "chain T2":  # the carousel adds up what comes: it never rests under an input
        assert len(found) == 0
        for s, speed in zip(found.slow, found.speeds, strict=True):
            assert np.linalg.norm(brute.one_tick(cell, s, row) - s) == pytest.approx(speed)
        return
    assert len(found) >= 1
    for point in found.points[:2]:
        v = np.tile(point.s, cell.depth)
        np.testing.assert_allclose(brute.one_tick(cell, v, row), v, atol=near(name, 1e-9))
        z = np.linalg.eigvals(brute.jacobian(cell, v, row))
        sizes = np.sort(np.abs(z))[::-1]
        np.testing.assert_allclose(np.abs(point.roots)[: len(sizes)], sizes[: len(point.roots)], atol=1e-4)
        assert np.abs(point.roots[0]) == pytest.approx(sizes[0], abs=near(name, 1e-7) * 10)
        assert point.stable == (sizes[0] < 1)
        np.testing.assert_allclose(np.abs(discrete_roots(system, point.s, x=HELD)[0]), sizes[0], atol=1e-6)
        assert spectral_radius(system, point.s, x=HELD) == pytest.approx(sizes[0], abs=1e-6)


@everyone
def test_the_exponents_sum_to_the_mean_log_determinant(name: str) -> None:
    system = SYSTEMS[name]
    cell = brute.plain(system)
    if cell.inner()[0].discrete is False:
        found = lyapunov(system, HELD, steps=400, count=1)
        root = fixed_points(system, HELD).points[0].roots[0]
        assert found.per_step[0] == pytest.approx(np.log(np.abs(root)), abs=0.02)
        return
    x = np.random.default_rng(4).normal(size=(60, 1))
    s0 = brute.vector(cell, brute.start(cell, 0.1 * np.ones(cell.width)))
    found = lyapunov(system, x, s0=s0[: len(s0) // cell.depth], every=1)
    total, v = 0.0, np.tile(s0[: len(s0) // cell.depth], cell.depth)
    for row in brute.rows(cell, x):
        sign, log = np.linalg.slogdet(brute.jacobian(cell, v, row))
        total += log if sign else -np.inf
        v = brute.one_tick(cell, v, row)
    if np.isfinite(total) and total / 60 > -15:  # a direction that is lost at once has no difference quotient
        assert found.per_step.sum() == pytest.approx(total / 60, abs=1e-3, rel=1e-3)
    np.testing.assert_allclose(found.s, v, atol=1e-10)


@everyone
def test_branches_over_a_number_are_rests_of_the_system_with_it(name: str) -> None:
    system = SYSTEMS[name]
    parameter = PARAMETER.get(name, "gain")
    first = 1.2 if name == "Map" else 0.6
    values = np.array([first, first + LARGER.get(name, 0.3)])
    search = Attractors(2, 150, 8)
    found = bifurcation(system, parameter, values, x=HELD, attractors=search, equilibria=Equilibria(4))
    assert len(found.branches) >= 1
    branch = found.branches[0]
    for k in (0, len(branch.values) // 2, len(branch.values) - 1):
        own = brute.plain(system.parameter(parameter)(float(branch.values[k])))
        row = brute.rows(own, np.tile(HELD, (12, 1)))[6]
        v = np.tile(branch.states[k], own.depth)
        np.testing.assert_allclose(brute.one_tick(own, v, row), v, atol=near(name, 1e-9))
    own = brute.plain(system.parameter(parameter)(float(values[0])))
    rests = [s for b in found.branches for s in b.states[np.isclose(b.values, values[0])]]
    if found.attractors(0)["rest"] and name != "Sampled, tsit5":
        gaps = [abs(found.up[0][found.up[0][:, -1] < 1e3][:, -1] - s[0]).min() for s in rests]
        assert min(gaps) < 1e-3
    assert own.width == system.width


@everyone
def test_what_is_cut_off_is_what_an_own_loop_leaves_out(name: str) -> None:
    system = SYSTEMS[name]
    cell = brute.plain(system)
    found = truncation(system, X, most=3)
    whole, seen = brute.loop(cell, X)[0], brute.seen_by(cell, X)
    for K in (1, 2, 3):
        worst = 0.0
        for n in range(K - 1, N):
            state = brute.start(cell)
            for row in seen[n - K + 1 : n + 1]:
                state = cell.step(state, brute.as_own(cell, row))
            worst = max(worst, float(np.linalg.norm(brute.to_numpy(cell.readout(state)[0]) - whole[n])))
        assert found.error[K - 1] == pytest.approx(worst, abs=near(name, 1e-12))
        assert found.bound[K - 1] >= found.error[K - 1] - 1e-12


@everyone
def test_the_field_of_the_plane_is_how_far_a_tick_goes(name: str) -> None:
    system = SYSTEMS[name]
    cell = brute.plain(system)
    plane = phase_plane(system, HELD, starts=2, steps=3, T=1.0, grid=3)
    row = brute.rows(cell, np.tile(HELD, (12, 1)))[6]
    inner_is_flow = not cell.inner()[0].discrete
    if inner_is_flow:
        flow = cell.inner()[0]
        step = lambda s: flow.rate(0.0, s, (), HELD)  # noqa: E731
    else:
        step = lambda s: brute.one_tick(cell, np.tile(s, cell.depth), row)[: len(s)] - s  # noqa: E731
    if cell.depth > 1:  # the field is that of a past at rest, by a recursion that remembers one tick
        assert plane.field.shape[-1] == len(plane.axes)
        return
    directions = plane.axes
    for i, a in enumerate(plane.a):
        for j, b in enumerate(plane.b if len(plane.b) else [0.0]):
            at = plane.centre + a * directions[0] + (b * directions[1] if len(directions) > 1 else 0)
            field = plane.field[j, i] if len(plane.b) else plane.field[i]
            np.testing.assert_allclose(field, directions @ step(at), atol=near(name, 1e-9))


REASON = "its state is its past|whose state is a vector|the state of a delay equation is its past"
SPELLS = "expected a model without delays"


@delayed
@pytest.mark.parametrize("ask", ["fixed_points", "gradient_flow", "lyapunov", "discrete_roots", "bptt"])
def test_samples_of_a_delay_equation_answer_or_say_why_not(name: str, ask: str) -> None:
    """By backward Euler they are a recursion, by an exact method the equation itself; else their state is no vector."""
    system = DELAYED[name]
    at = fixed_points(system.model, HELD).points[0].s
    questions: dict[str, Any] = {
        "fixed_points": lambda: fixed_points(system, HELD).points[0].s,
        "gradient_flow": lambda: gradient_flow(system, X).norms,
        "lyapunov": lambda: lyapunov(system, HELD, steps=200, count=1).per_step,
        "discrete_roots": lambda: discrete_roots(system, at, x=HELD, count=1),
        "bptt": lambda: bptt(system, X, np.ones((N, 2))).x_bar,
    }
    refused = (ask == "gradient_flow") or (name.endswith("rk4") and ask != "bptt")
    if refused:
        with pytest.raises(ValueError, match=SPELLS):
            questions[ask]()
    else:
        assert np.isfinite(questions[ask]()).all()
