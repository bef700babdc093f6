"""The analyses of motion on the LSTM in continuous time and on its samples at any step."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn import ContinuousLSTM, VanillaLSTM, discretize, integrate
from ode2rnn.analysis import (
    Attractors,
    Sampling,
    bifurcation,
    characteristic_roots,
    discrete_roots,
    fixed_points,
    lyapunov,
    phase_plane,
    stability_chart,
)
from ode2rnn.analysis.motion.variational import DelaySteps, FlowSteps, MapSteps, resolved_steps
from ode2rnn.analysis.spectra.linear import flow_roots
from ode2rnn.analysis.subject import at_rest
from ode2rnn.core.signals import Constant
from ode2rnn.core.systems.flat import Flat
from ode2rnn.gated.sampled import SampledLSTM

D, TAU = 2, 0.5
X = np.array([0.3])


def cell(peepholes: bool = False, seed: int = 3) -> VanillaLSTM:
    rng = np.random.default_rng(seed)
    kinds = ("cu", "cs", "du", "cr")
    W = {f"W_v{k}": rng.standard_normal((D, D)) for k in kinds}
    W |= {f"W_x{k}": rng.standard_normal((D, 1)) for k in kinds} | {f"b_{k}": rng.standard_normal(D) for k in kinds}
    if peepholes:
        W |= {"W_scu": rng.standard_normal((D, D)), "W_scs": rng.standard_normal(D), "W_scr": 0.5 * np.eye(D)}
    return VanillaLSTM(**W, dt=TAU)


def loop(gain: float, tau: float) -> ContinuousLSTM:
    """One unit with gates that see nothing: s' = -kappa s + kappa_u tanh(gain v), v = tanh(s) / 2."""
    zero = dict.fromkeys(["W_vcu", "W_vcs", "W_vcr", "W_xcu", "W_xcs", "W_xdu", "W_xcr", "b_cu", "b_cs", "b_du"], 0.0)
    return ContinuousLSTM(VanillaLSTM(**zero, W_vdu=gain, b_cr=0.0, dt=1.0), tau)


@pytest.mark.parametrize("rule", ["backward_euler", "exponential"])
@pytest.mark.parametrize("peepholes", [True, False])
def test_the_derivatives_are_those_of_the_values(rule: str, peepholes: bool) -> None:
    model = ContinuousLSTM(cell(peepholes), TAU, rule)
    late = SampledLSTM(ContinuousLSTM(cell(peepholes), 0.0, rule), 0.3, "implicit_linear")
    ticks = [Flat(SampledLSTM(model, TAU / 4, scheme)) for scheme in ("backward_euler", "exponential")]
    rates = at_rest(model)
    for flat in (rates, *ticks, Flat(late)):
        S = 0.5 * np.random.default_rng(1).standard_normal((3, flat.size))
        u, e = flat.constant(X), 1e-6
        sides = [[flat.advance(S + sign * e * way, u) for sign in (1, -1)] for way in np.eye(flat.size)]
        numbers = np.stack([(a - b) / (2 * e) for a, b in sides], axis=-1)
        np.testing.assert_allclose(flat.jacobian(S, u), numbers, atol=2e-8)
    for steps in (MapSteps(ticks[0]), FlowSteps(rates, 0.1), DelaySteps(model, 2)):
        S = 0.5 * np.random.default_rng(1).standard_normal(steps.size)
        u, e, nothing = rates.constant(X), 1e-6, np.zeros((0, steps.size))
        along = np.random.default_rng(2).standard_normal((4, steps.size))
        after, moved = steps.carry(S, along, u)
        for way, got in zip(along, moved, strict=True):
            ends = [steps.carry(S + sign * e * way, nothing, u)[0] for sign in (1, -1)]
            np.testing.assert_allclose(got, (ends[0] - ends[1]) / (2 * e), atol=2e-8)
        np.testing.assert_allclose(after, steps.carry(S, nothing, u)[0], atol=1e-14)


@pytest.mark.parametrize("scheme", ["backward_euler", "exponential"])
def test_a_tick_is_the_cells_own(scheme: str) -> None:
    sampled = SampledLSTM(ContinuousLSTM(cell(True), TAU), TAU / 4, scheme)
    flat, S = Flat(sampled), np.random.default_rng(0).standard_normal((4, 2, D))
    own = sampled.step(sampled.State(tuple(S[:, 0]), tuple(S[:, 1])), X)
    after = flat.advance(S.ravel(), flat.constant(X)).reshape(S.shape)
    np.testing.assert_allclose(after, np.stack([np.array(own.s), np.array(own.v)], axis=1), atol=1e-15)


def test_panels_go_where_the_solver_goes() -> None:
    model, start = ContinuousLSTM(cell(True), TAU), np.array([0.2, 0.3])
    past = np.append(start, np.zeros(D))  # v = 0 before the start

    def at_nodes(steps: DelaySteps) -> np.ndarray:
        return np.tile(past, steps.size // len(past))

    steps = resolved_steps(model, at_nodes, X, 10 * TAU)
    S = at_nodes(steps)
    for _ in range(round(10 * TAU / steps.dt)):
        S = steps.advance(S, X)
    run = integrate(model, Constant(X), t=(0.0, 10 * TAU), history=start, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(S[-2 * D :], np.concatenate([run.s[-1], run.r[-1]]), atol=1e-10)


def test_an_equilibrium_is_one_at_every_delay_and_step_and_by_every_rule() -> None:
    own = cell()
    rest = fixed_points(own, X)[0].s  # (s, v)
    for model in (ContinuousLSTM(own, 0.0), ContinuousLSTM(own, 2.0), ContinuousLSTM(own)):
        np.testing.assert_allclose(fixed_points(model, X)[0].s, rest[:D], atol=1e-12)
    for dt, scheme in ((TAU / 5, "exponential"), (TAU / 2, "backward_euler")):
        sampled = SampledLSTM(ContinuousLSTM(own), dt, scheme)
        found = fixed_points(sampled, X)
        np.testing.assert_allclose(found[0].s, rest, atol=1e-12)
        np.testing.assert_allclose(found[0].roots[:4], discrete_roots(sampled, x=X)[:4], atol=1e-9)


def test_roots_solve_the_characteristic_equation_and_are_limits_of_the_multipliers() -> None:
    # near 0 it is s' = -s + (gain / 2) s(t - tau)
    model = loop(-6.0, 2.0)
    roots = characteristic_roots(model, at=[0.0], count=5)
    np.testing.assert_allclose(roots + 1 + 3 * np.exp(-2 * roots), 0, atol=1e-12)
    errors = []
    for m in (40, 80):
        z = discrete_roots(discretize(model, 2.0 / m), at=[0.0], count=1)
        errors.append(abs(np.log(z[0]) * m / 2.0 - roots[np.argmin(np.abs(roots - np.log(z[0]) * m / 2.0))]))
    assert 1.8 < errors[0] / errors[1] < 2.2


def test_without_feedback_there_are_as_many_roots_as_units() -> None:
    np.testing.assert_allclose(flow_roots(loop(0.0, 1.0), np.zeros(1)), [-1.0], atol=1e-12)


@pytest.mark.parametrize("tau", [0.0, TAU])
def test_exponents_at_rest_are_the_real_parts_of_the_roots(tau: float) -> None:
    model = ContinuousLSTM(cell(), tau)
    point = fixed_points(model, X)[0]
    found = lyapunov(model, X, T=100, s0=point.s, count=2)
    np.testing.assert_allclose(found.exponents[0], point.roots[0].real, atol=1e-3)


def test_hopf_flip_and_pitchfork_of_the_loop() -> None:
    # multiplier w = gain / 2 of the loop: w = 1 a pitchfork; with w = -2 a Hopf at tau = arccos(1 / w) / sqrt(w^2 - 1)
    up = bifurcation(loop(1.0, 1.0), "gain", [0.5, 1.5], attractors=False)
    assert [p.kind for p in up.points] == []  # the gain is a factor on W_v = 1: w up to 0.75
    up = bifurcation(loop(1.0, 1.0), "gain", [1.0, 3.0], attractors=False)
    assert [p.kind for p in up.points] == ["pitchfork"]
    assert abs(up.points[0].value - 2.0) < 1e-8
    turn = bifurcation(loop(-4.0, 1.0), "tau", [0.5, 2.0], attractors=False)
    assert [p.kind for p in turn.points] == ["Hopf"]
    assert abs(turn.points[0].value - np.arccos(-0.5) / np.sqrt(3)) < 1e-8
    # with tau = dT and w = -3: z (1 + dT) = 1 + dT w, which is -1 at dT = 1
    flip = bifurcation(loop(-6.0, 0.0), "dT", [0.5, 2.0], Sampling(delay="tied"), attractors=False)
    assert [(p.kind, round(p.value, 8)) for p in flip.points] == [("flip", 1.0)]


def test_attractors_and_the_phase_plane() -> None:
    found = bifurcation(loop(1.0, 1.0), "gain", [1.0, 4.0], attractors=Attractors(2, 60, 10))
    assert np.abs(found.fresh[0]).max() < 1e-3
    assert np.abs(found.fresh[1]).min() > 0.5
    for tau in (0.0, TAU):
        plane = phase_plane(ContinuousLSTM(cell(), tau), X, starts=2, grid=5)
        np.testing.assert_allclose([orbit[-1] for orbit in plane.orbits], 2 * [plane.places[0]], atol=1e-3)


def test_a_chart_of_the_equation_and_of_its_samples() -> None:
    # w = -2 at the gain 1: it oscillates beyond tau = 1.2092
    chart = stability_chart(loop(-4.0, 1.0), ("gain", [0.25, 1.0]), ("tau", [1.0, 1.2, 1.22]))
    np.testing.assert_array_equal(chart.stable, [[True, True, True], [True, True, False]])
    # with tau = dT the multiplier is (1 + dT w) / (1 + dT)
    tied = stability_chart(loop(-6.0, 0.0), ("gain", [0.5, 1.0]), ("dT", [0.5, 2.0]), Sampling(delay="tied"))
    expected = [[abs(1 + h * w) / (1 + h) for h in (0.5, 2.0)] for w in (-1.5, -3.0)]
    np.testing.assert_allclose(tied.values, expected, atol=1e-12)
    with pytest.raises(ValueError, match="name: expected"):
        stability_chart(loop(1.0, 1.0), ("W", [1.0, 2.0]), ("tau", [1.0, 2.0]))
