"""Lyapunov exponents against those that are known: closed forms, sums, other ways to the same number."""

import numpy as np
import pytest
import torch
from tests.benchmarks import exponents as benchmark

from ode2rnn import (
    Activation,
    AdditiveModel,
    CanonicalRNN,
    ContinuousRNN,
    Flow,
    Sampled,
    SimulationError,
    discretize,
    integrate,
    nn,
)
from ode2rnn.analysis import characteristic_roots, gradient_flow, lyapunov
from ode2rnn.analysis.motion.variational import DelaySteps

NOTHING = np.zeros(0)
W = np.array([[0.5, -2.0], [2.0, 0.5]])
MACKEY_GLASS = ContinuousRNN(
    -0.1,
    0.2,
    None,
    None,
    tau=17.0,
    activation=Activation("mackey_glass", lambda s: s / (1 + s**10), lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2),
)


def lorenz(t, s):
    x, y, z = s
    return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 * z / 3])


def lorenz_jacobian(t, s):
    x, y, z = s
    return np.array([[-10, 10, 0], [28 - z, -1, -x], [y, x, -8 / 3]])


def test_lorenz_has_its_exponents_and_their_exact_sum():
    found = lyapunov(Flow(lorenz, 3, jacobian=lorenz_jacobian), T=400, s0=[1.0, 1.0, 20.0])
    assert found.exponents.sum() == pytest.approx(-41 / 3, abs=1e-5)
    for value, error, known in zip(found.exponents, found.errors, (0.9056, 0.0, -14.5723), strict=True):
        assert abs(value - known) < 4 * error < 0.15
    assert found.dimension == pytest.approx(2.062, abs=0.01)
    assert not found.discrete
    assert found.times[-1] == pytest.approx(400, rel=1e-3)
    np.testing.assert_allclose(found.history[-1], found.exponents)


def test_mackey_glass_has_its_exponents():
    found = lyapunov(MACKEY_GLASS, T=200_000, s0=1.2, count=2)
    assert found.errors[0] < 1e-4
    assert abs(found.exponents[0] - 0.00511) < 7e-5 + 3 * found.errors[0]
    assert abs(found.exponents[1]) < 4 * found.errors[1]  # along the motion nothing grows


def test_the_panels_of_a_delay_equation_solve_it():
    steps = DelaySteps(MACKEY_GLASS, panels=4)
    S, u = np.full(steps.size, 1.2), NOTHING
    ends = []
    for _ in range(40):
        S = steps.advance(S, u)
        ends.append(S[-1])
    exact = integrate(MACKEY_GLASS, t=(0.0, 40 * steps.dt), history=1.2, rtol=1e-12)
    np.testing.assert_allclose(ends, exact(steps.dt * np.arange(1, 41))[:, 0], atol=2e-8)


@pytest.mark.parametrize("undelayed", [0.0, 1.5])
def test_panels_move_deviations_by_the_derivative_of_what_moves_the_state(undelayed):
    rng = np.random.default_rng(0)
    A, D, B, E = rng.normal(size=(4, 2, 2))
    model = AdditiveModel(
        state=[(A - 2 * np.eye(2), 0.0), (D, 0.37)], readout=[(B, 1.0), (undelayed * E, 0.0)], phi=[0.1, 0.2]
    )
    steps = DelaySteps(model, panels=1, nodes=8)
    S, V, u = 0.5 * rng.normal(size=steps.size), rng.normal(size=(3, steps.size)), NOTHING
    moved = steps.carry(S, V, u)[1]
    for v, got in zip(V, moved, strict=True):
        ahead, behind = (steps.advance(S + e * v, u) for e in (1e-6, -1e-6))
        np.testing.assert_allclose(got, (ahead - behind) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("undelayed", [0.0, 1.5])
def test_panels_solve_equations_with_several_delays(undelayed):
    rng = np.random.default_rng(0)
    A, D, B, E = rng.normal(size=(4, 2, 2))
    model = AdditiveModel(
        state=[(A - 2 * np.eye(2), 0.0), (D, 0.5)], readout=[(B, 1.0), (undelayed * E, 0.0)], phi=[0.1, 0.2]
    )
    steps = DelaySteps(model, panels=2)
    S = np.tile([0.3, -0.2], steps.size // 2)
    for _ in range(16):
        S = steps.advance(S, NOTHING)
    exact = integrate(model, t=(0.0, 4.0), history=[0.3, -0.2], rtol=1e-12)
    np.testing.assert_allclose(S[-2:], exact(np.array([4.0]))[0], atol=1e-10)


def test_panels_read_the_past_between_their_nodes():
    rate, b, c = -0.2, 0.7, -1.1
    a = rate - b * np.exp(-0.37 * rate) - c * np.exp(-rate)
    steps = DelaySteps(AdditiveModel(state=[(a, 0.0), (b, 0.37), (c, 1.0)]), panels=1)
    S = np.exp(rate * steps.times())
    for _ in range(10):
        S = steps.advance(S, NOTHING)
    np.testing.assert_allclose(S, np.exp(rate * (steps.times() + 3.7)), rtol=1e-12)


def test_at_rest_the_exponents_of_a_delay_equation_are_the_real_parts_of_its_roots():
    model = AdditiveModel(state=[(-1.0, 0.0), (0.3, 0.37)], readout=[(1.5, 0.0), (-4.0, 1.0)])
    found = lyapunov(model, T=300, s0=0.0, count=4)
    roots = characteristic_roots(model, [0.0], count=4)
    np.testing.assert_allclose(found.exponents, roots.real, atol=0.02)
    assert found.exponents[::2].sum() == pytest.approx(roots.real[::2].sum(), abs=0.01)


@pytest.mark.parametrize("dt", [0.305, 0.31, 1.0])
def test_the_origin_of_the_canonical_map_has_the_logarithms_of_its_multipliers(dt):
    flow = ContinuousRNN(-np.eye(2), W, None, None)
    known = np.log(np.abs((1 + dt * (0.5 + 2j)) / (1 + dt)))
    for cell in (
        discretize(flow, dt, "implicit_linear"),
        Sampled(ContinuousRNN(-np.eye(2), W, None, None, tau=dt), dt),
    ):
        found = lyapunov(cell, steps=500, s0=[0.0, 0.0], count=2)
        np.testing.assert_allclose(found.per_step, known, atol=1e-12)
        np.testing.assert_allclose(found.exponents, known / dt, atol=1e-12)
    np.testing.assert_allclose(lyapunov(flow, T=50, s0=[0.0, 0.0]).exponents, -0.5, atol=1e-7)


def test_on_the_invariant_circle_of_the_map_one_exponent_is_zero_and_the_other_negative():
    cell = discretize(ContinuousRNN(-np.eye(2), W, None, None), 1.0, "implicit_linear")
    found = lyapunov(cell, steps=20_000)
    assert abs(found.per_step[0]) < 1e-3
    assert found.per_step[1] < -0.1


def test_substeps_of_a_sampled_model_count_as_one_step():
    model = ContinuousRNN(-1.0, -3.0, None, None, tau=1.0)
    one, two = Sampled(model, 0.5, substeps=2), discretize(model, 0.25)
    a, b = lyapunov(one, steps=300, s0=[0.0], count=2), lyapunov(two, steps=600, s0=[0.0], count=2)
    np.testing.assert_allclose(a.exponents, b.exponents, atol=1e-12)
    assert (a.dt, a.steps, b.dt) == (0.5, 300, 0.25)


def test_the_exponents_of_a_driven_cell_are_those_of_gradient_flow():
    rng = np.random.default_rng(0)
    cell = CanonicalRNN(
        0.3 * np.eye(6), 1.2 * rng.normal(size=(6, 6)) / np.sqrt(6), rng.normal(size=(6, 2)), np.zeros(6)
    )
    x = rng.normal(size=(4000, 2))
    found = lyapunov(cell, x, count=3, s0=np.zeros(6), transient=2000)
    flow = gradient_flow(cell, x, np.zeros(6), singular=0, exponents=3)
    np.testing.assert_allclose(found.per_step, flow.exponents, atol=2e-3)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "Canonical"])
def test_the_exponents_of_a_layer_sum_to_the_mean_log_determinant_of_its_ticks(kind):
    torch.manual_seed(3)
    layer = (nn.CanonicalRNN if kind == "Canonical" else getattr(torch.nn, kind))(2, 3).double()
    x = np.random.default_rng(0).normal(size=(300, 2))
    found = lyapunov(layer, x, s0=np.zeros(6 if kind == "LSTM" else 3), every=3)
    hx = (torch.zeros(2, 1, 3) if kind == "LSTM" else torch.zeros(1, 1, 3)).double()

    def tick(h, n):
        out = layer(torch.tensor(x[n])[None, None], (h[:1], h[1:]) if kind == "LSTM" else h)[1]
        return torch.cat(out) if kind == "LSTM" else out

    total = 0.0
    for n in range(300):
        jacobian = torch.autograd.functional.jacobian(lambda h, n=n: tick(h, n), hx).reshape(hx.numel(), -1)
        total += float(torch.linalg.slogdet(jacobian)[1])
        hx = tick(hx, n).detach()
    assert found.per_step.sum() == pytest.approx(total / 300, rel=1e-9)
    assert found.per_step[0] == found.exponents[0] * found.dt


def test_the_leading_exponents_are_the_first_of_all():
    rng = np.random.default_rng(0)
    cell = CanonicalRNN(0.3 * np.eye(8), 1.5 * rng.normal(size=(8, 8)) / np.sqrt(8), None, rng.normal(size=8))
    few, every = (lyapunov(cell, steps=500, count=count, every=5) for count in (3, None))
    np.testing.assert_allclose(few.exponents, every.exponents[:3], rtol=1e-8)


def test_directions_that_are_lost_in_one_step_have_the_exponent_minus_infinity():
    cell = CanonicalRNN(np.zeros((2, 2)), np.diag([0.5, 0.0]), None, np.zeros(2), activation="identity")
    found = lyapunov(cell, steps=50, s0=[1.0, 1.0])
    assert found.per_step[0] == pytest.approx(np.log(0.5))
    assert found.per_step[1] == -np.inf


def test_the_result_tells_where_to_go_on_from():
    cell = discretize(ContinuousRNN(-np.eye(2), W, None, None), 1.0, "implicit_linear")
    first = lyapunov(cell, steps=100, s0=[0.3, 0.1], transient=0)
    both = lyapunov(cell, steps=150, s0=[0.3, 0.1], transient=0)
    second = lyapunov(cell, steps=50, s0=first.s, transient=0)
    np.testing.assert_array_equal(second.s, both.s)
    assert "Kaplan-Yorke" in str(first)


def test_the_ticks_of_an_adaptive_method_have_the_exponents_of_the_equation():
    model = ContinuousRNN(-1.0, -3.0, None, None, tau=0.5)
    found = lyapunov(Sampled(model, 0.25, "spectral"), steps=400, s0=[0.0], count=2)
    assert (found.dt, found.steps, found.discrete) == (0.25, 400, True)
    np.testing.assert_allclose(found.exponents, characteristic_roots(model, [0.0], count=2).real, atol=0.02)


def test_an_interrupt_keeps_what_was_found(monkeypatch):
    cell = discretize(ContinuousRNN(-np.eye(2), W, None, None), 1.0, "implicit_linear")
    qr, calls = np.linalg.qr, []

    def interrupted(matrix):
        calls.append(matrix)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return qr(matrix)

    monkeypatch.setattr(np.linalg, "qr", interrupted)
    found = lyapunov(cell, steps=1000, s0=[0.0, 0.0], every=10, transient=20)
    assert (found.complete, found.steps) == (False, 50)
    np.testing.assert_allclose(found.exponents, np.log(1.25), atol=1e-12)


def test_the_benchmark_runs(capsys):
    ratios = benchmark.main(ticks=30, width=6, count=2, rounds=1)
    assert set(ratios) == {"canonical RNN", "torch.nn.LSTM"}
    assert "ratio" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: lyapunov(MACKEY_GLASS, steps=10), "steps: expected T"),
        (lambda: lyapunov(discretize(MACKEY_GLASS, 1.0), steps=10, T=3.0), "T: expected either"),
        (lambda: lyapunov(discretize(MACKEY_GLASS, 1.0), dt=0.1), "dt: expected none"),
        (lambda: lyapunov(lorenz), r"say Flow\(f, width\)"),
        (lambda: lyapunov("rnn"), "system: expected"),
        (lambda: lyapunov(torch.nn.GRU(2, 3), np.zeros((5, 3))), "x: expected shape"),
        (lambda: lyapunov(torch.nn.GRU(2, 3), np.zeros((5, 2)), steps=6), "steps: expected at most"),
        (lambda: lyapunov(torch.nn.GRU(2, 3), s0=[1.0]), "s0: expected shape"),
        (lambda: lyapunov(MACKEY_GLASS, s0=[1.0, 2.0]), "s0: expected shape"),
        (lambda: lyapunov(MACKEY_GLASS, transient=-1), "transient: expected"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_motion_that_leaves_says_so():
    cell = CanonicalRNN(2.0, 0.0, None, 1.0)
    with pytest.raises(SimulationError, match="diverges at step"):
        lyapunov(cell, steps=5000)
    with pytest.raises(SimulationError, match="diverges"):
        lyapunov(Flow(lambda t, s: s**2, 1), T=100, s0=[1.0])
