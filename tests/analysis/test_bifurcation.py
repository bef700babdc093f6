"""Points where stability changes are where closed forms put them, and branches and attractors agree about them."""

from importlib import import_module

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ode2rnn import CanonicalRNN, ContinuousRNN, Flow, Map, Sampled
from ode2rnn.analysis import Attractors, Equilibria, Sampling, bifurcation, characteristic_roots, stability_chart

W = np.array([[0.5, -2.0], [2.0, 0.5]])
TURNING = ContinuousRNN(-np.eye(2), W, None, None)
LOOP = ContinuousRNN(-1.0, 2.0, None, None)
# Beer's oscillator: W_ij from j to i, and theta so that its nullclines cross in the middle
BEER = ContinuousRNN(-np.eye(2), [[4.5, 1.0], [-1.0, 4.5]], None, [-2.75, -1.75], activation="sigmoid")


def points(*args, **options):
    found = bifurcation(*args, attractors=False, **options)
    assert found.complete
    return [(point.kind, pytest.approx(point.value, abs=1e-8)) for point in found.points]


@pytest.mark.parametrize(("w", "tau"), [(-1.5, 2.05765120396218), (-2.0, 1.20919957615615), (-3.0, 0.67551085885604)])
def test_delayed_inhibition_has_its_hopf_points(w, tau):
    loop = ContinuousRNN(-1.0, w, None, None, tau=1.0)
    omega = np.sqrt(w**2 - 1)
    # each turn later another pair crosses
    later = [tau + 2 * np.pi * k / omega for k in range(3)]
    assert points(loop, "tau", [0.1, 3.0]) == [("Hopf", value) for value in later if value < 3]
    found = bifurcation(loop, "tau", [0.1, 3.0], attractors=False)
    assert [point.root.imag for point in found.points] == pytest.approx([omega] * len(found.points), abs=1e-8)


def test_the_canonical_map_loses_stability_by_a_flip():
    for w in (-3.0, -1.5):
        loop = ContinuousRNN(-1.0, w, None, None)
        exact = 2 / (abs(w) - 1)
        assert points(loop, "dT", [0.1, 5.0], Sampling(delay="tied")) == [("flip", exact)]


@pytest.mark.parametrize(
    ("scheme", "delay", "exact"),
    [("backward_euler", "tied", 4 / 13), ("implicit_linear", "fixed", 4 / 13), ("forward_euler", "fixed", 4 / 17)],
)
def test_the_map_of_a_stable_flow_turns_at_the_exact_step(scheme, delay, exact):
    assert points(TURNING, "dT", [0.05, 1.0], Sampling(scheme, delay=delay)) == [("Neimark-Sacker", exact)]


def test_longer_lags_have_the_exact_limits():
    # s' = -a s(t - tau) with tau = m dT: a tau < 2 m cos((m - 1) pi / (2 m - 1)) for backward Euler
    for m in (2, 5):
        lag = ContinuousRNN(0.0, -1.0, None, None, activation="identity")
        exact = 2 * np.cos((m - 1) * np.pi / (2 * m - 1))
        assert points(lag, "dT", [0.1, 1.5], Sampling(delay="tied", lag=m)) == [("Neimark-Sacker", exact)]


def test_a_pitchfork_and_the_branches_that_leave_it():
    found = bifurcation(LOOP, "gain", [0.1, 1.5], attractors=False)  # w = 2 gain
    assert [(p.kind, p.value) for p in found.points] == [("pitchfork", pytest.approx(0.5, abs=1e-8))]
    assert len(found.branches) == 3
    ends = sorted(float(branch.states[branch.values.argmax(), 0]) for branch in found.branches)
    assert ends[1] == pytest.approx(0.0, abs=1e-12)
    assert ends[2] == pytest.approx(3 * np.tanh(ends[2]), abs=1e-10)
    assert ends[0] == pytest.approx(-ends[2], abs=1e-10)
    outer = [branch for branch in found.branches if abs(branch.states[:, 0]).max() > 1]
    assert all(branch.stable.all() for branch in outer)


def test_a_fold_by_its_closed_form_and_the_branch_around_it():
    s = np.arctanh(np.sqrt(0.5))  # tanh'(s) = 1 / w
    exact = abs(s - 2 * np.tanh(s))
    assert points(LOOP, "phi[0]", [-1.5, 1.5]) == [("fold", -exact), ("fold", exact)]
    found = bifurcation(LOOP, "phi[0]", [-1.5, 1.5], attractors=False)
    assert len(found.branches) == 1
    (branch,) = found.branches
    assert np.abs(-branch.states[:, 0] + 2 * np.tanh(branch.states[:, 0]) + branch.values).max() < 1e-12
    assert branch.ends == ("range", "range")
    np.testing.assert_array_equal(branch.stable, np.cosh(branch.states[:, 0]) ** -2 < 0.5)


def test_a_transcritical_point_is_no_pitchfork():
    # s <- p s (1 - s) about 0: an exchange of stability at p = 1, a flip at p = 3
    from ode2rnn import Activation

    parabola = Activation("parabola", lambda s: s * (1 - s), lambda s: 1 - 2 * s)
    logistic = CanonicalRNN(0.0, 1.0, None, 0.0, activation=parabola)
    found = points(logistic, "gain", [0.5, 3.4], equilibria=Equilibria(spread=0.5))
    assert found == [("transcritical", 1.0), ("flip", 3.0)]


def test_two_neurons_oscillate_between_two_hopf_points():
    found = bifurcation(BEER, "phi[0]", [-4.0, -1.0], attractors=False)
    assert [p.kind for p in found.points] == ["Hopf", "Hopf"]
    for point in found.points:
        model = BEER.parameter("phi[0]")(point.value)
        assert np.abs(model.settled().rate(0.0, point.s)).max() < 1e-12
        pair = characteristic_roots(model, point.s)
        assert abs(pair[0].real) < 1e-9
        assert pair[0].imag == pytest.approx(point.root.imag, abs=1e-9)
    # turning the network around in the middle exchanges them
    assert found.points[0].value + found.points[1].value == pytest.approx(2 * -2.75, abs=1e-8)


def test_attractors_show_hysteresis_between_the_folds():
    found = bifurcation(LOOP, "phi[0]", np.linspace(-1.0, 1.0, 21), attractors=Attractors(starts=3, transient=60.0))
    inside = np.abs(found.values) < 0.53
    np.testing.assert_array_equal(found.hysteresis[~inside], False)
    # a way up has been on the lower branch alone, once all of it was there
    assert found.up[10].max() < 0 < found.down[10].min()
    assert found.attractors(0) == {"rest": 9}


def test_the_map_oscillates_beyond_its_step_with_the_known_size():
    steps = [0.305, 0.31, 1.0]
    found = bifurcation(TURNING, "dT", steps, Sampling(delay="tied"), attractors=Attractors(2, 15000, 1500))
    sizes = np.abs(found.up).max(axis=(1, 2))
    assert sizes[0] < 1e-3
    assert sizes[1:] == pytest.approx([0.0910, 1.3022], abs=5e-4)
    flipped = ContinuousRNN(-1.0, -3.0, None, None)
    found = bifurcation(flipped, "dT", [1.02, 2.0], Sampling(delay="tied"), attractors=Attractors(2, 1500, 64))
    # -s = (s - 3 dT tanh s) / (1 + dT)
    exact = [brentq(lambda s, dt=dt: (2 + dt) * s - 3 * dt * np.tanh(s), 0.1, 3) for dt in (1.02, 2.0)]
    assert exact == pytest.approx([0.19960, 1.28785], abs=2e-5)
    assert np.abs(found.up).max(axis=(1, 2)) == pytest.approx(exact, abs=1e-6)
    assert set(found.attractors(1)) == {"period 2"}


def test_verify_tells_the_solver_from_the_system():
    late = bifurcation(
        TURNING, "dT", np.linspace(0.2, 0.5, 4), "implicit_linear", verify=True, attractors=Attractors(2)
    )
    assert [(p.kind, p.owner) for p in late.points] == [("Neimark-Sacker", "solver")]
    assert late.points[0].half == pytest.approx(8 / 13, abs=1e-8) or np.isnan(late.points[0].half)
    assert np.isnan(late.points[0].flow)
    assert late.doubtful[-1]
    assert not late.doubtful[0]
    # a fold is a fixed point of both: the same in samples and equation
    fold = bifurcation(LOOP, "phi[0]", [-1.0, 1.0], Sampling("tustin", 0.5), verify=True, attractors=False)
    assert [(p.kind, p.owner) for p in fold.points] == [("fold", "system"), ("fold", "system")]
    # an oscillation of the equation, moved by the samples half as far at half the step
    ring = bifurcation(
        ContinuousRNN(-1.0, -2.0, None, None, tau=1.0), "gain", [0.2, 2.0], Sampling(dt=0.125), verify=True,
        attractors=False,
    )  # fmt: skip
    (point,) = ring.points
    assert (point.kind, point.owner) == ("Neimark-Sacker", "system")
    assert 0.35 < (point.half - point.flow) / (point.value - point.flow) < 0.65


def test_with_a_fixed_delay_steps_are_known_at_its_fractions_only():
    # s' = -a s(t - 1) with a = 1.7 is stable with m ticks a delay where 2 m cos((m-1) pi / (2m-1)) > 1.7
    lag = ContinuousRNN(0.0, -1.7, None, None, tau=1.0, activation="identity")
    limits = {m: 2 * m * np.cos((m - 1) * np.pi / (2 * m - 1)) for m in (1, 2, 4, 8)}
    assert [limits[m] > 1.7 for m in (8, 4, 2, 1)] == [False, True, True, True]
    found = bifurcation(lag, "dT", [1 / 8, 1 / 4, 1 / 2, 1.0], "backward_euler", attractors=False)
    assert [(p.kind, p.between) for p in found.points] == [("Neimark-Sacker", (0.125, 0.25))]
    with pytest.raises(ValueError, match="divide"):
        bifurcation(lag, "dT", [0.3, 0.5], "backward_euler")


def test_layers_over_their_gain_a_weight_and_an_input():
    torch.manual_seed(0)
    layer = torch.nn.RNN(1, 2).double()
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
    # h <- tanh(g R h): multipliers +- i g
    assert points(layer, "gain", [0.5, 1.5]) == [("Neimark-Sacker", 1.0)]
    assert points(layer, "weight_hh_l0[0, 1]", [-1.5, -0.5]) == [("Neimark-Sacker", -1.0)]
    assert layer.weight_hh_l0[0, 1] == -1.0  # the layer itself is left as it was
    single = CanonicalRNN(0.0, 2.0, 1.0, 0.0)
    s = np.arctanh(np.sqrt(0.5))
    exact = 2 * np.tanh(s) - s
    assert points(single, "x[0]", [-1.0, 1.0]) == [("fold", -exact), ("fold", exact)]


def test_a_flow_and_a_map_of_ones_own_over_their_parameters():
    turning = Flow(lambda t, s, *, p: -s + p * np.tanh(s) @ np.array([[1.0, 2.0], [-2.0, 1.0]]), 2, parameters={"p": 1})
    assert points(turning, "p", [0.2, 1.8]) == [("Hopf", 1.0)]
    logistic = Map(lambda s, *, r: r * s * (1 - s), 1, parameters={"r": 2.0})
    assert points(logistic, "r", [0.5, 3.4], equilibria=Equilibria(spread=0.5)) == [
        ("transcritical", 1.0),
        ("flip", 3.0),
    ]


def test_samples_by_a_solver_of_their_own_are_systems_too():
    found = bifurcation(Sampled(TURNING, 0.1, "euler"), "gain", [0.5, 3.0], attractors=Attractors(2, 200, 32))
    # |1 + dT (g / 2 - 1 + 2 g i)| = 1
    root = brentq(lambda g: abs(1 + 0.1 * (0.5 * g - 1 + 2j * g)) - 1, 0.5, 3.0)
    assert [(p.kind, p.value) for p in found.points] == [("Neimark-Sacker", pytest.approx(root, abs=1e-8))]
    exact = bifurcation(Sampled(TURNING, 0.1, "spectral"), "gain", [0.5, 3.0], attractors=Attractors(2, 800, 32))
    assert [(p.kind, p.value) for p in exact.points] == [("Neimark-Sacker", pytest.approx(2.0, abs=1e-8))]
    assert exact.attractors(0) == {"rest": 6}
    assert np.ptp(exact.up[1]) > 1


def test_the_tick_of_samples_is_a_number_of_theirs():
    # the root of the equation is -1/2 + 2 i, and |1 + dT root| = 1
    found = bifurcation(Sampled(TURNING, 0.1, "euler"), "dT", [0.05, 0.5], attractors=Attractors(2, 1500, 32))
    assert [(p.kind, p.value) for p in found.points] == [("Neimark-Sacker", pytest.approx(1 / 4.25, abs=1e-8))]
    assert found.attractors(0) == {"rest": 6}
    chart = stability_chart(Sampled(TURNING, 0.1, "euler"), ("dT", [0.1, 0.4]), ("gain", [0.5, 1.5]))
    same = stability_chart(TURNING, ("dT", [0.1, 0.4]), ("gain", [0.5, 1.5]), "forward_euler")
    np.testing.assert_allclose(chart.values, same.values, rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_every_eigenvalue_of_a_random_network_crosses_where_it_should(seed):
    R = np.random.default_rng(seed).standard_normal((6, 6)) / np.sqrt(6)
    found = bifurcation(ContinuousRNN(-np.eye(6), R, None, None), "gain", [0.2, 4.0], attractors=False)
    w = np.linalg.eigvals(R)
    w = w[(w.imag >= 0) & (w.real > 0.25)]
    order = np.argsort(-w.real)
    at_rest = [point for point in found.points if np.abs(point.s).max() < 1e-6]
    assert [point.value for point in at_rest] == pytest.approx((1 / w.real[order]).tolist(), abs=1e-8)
    assert [point.kind for point in at_rest] == ["Hopf" if z.imag > 0 else "pitchfork" for z in w[order]]


def test_gates_that_are_shut_make_no_branches():
    torch.manual_seed(0)
    found = bifurcation(torch.nn.GRU(1, 3).double(), "gain", [0.5, 8.0], attractors=False)
    assert len(found.branches) == 2
    assert all(branch.ends == ("range", "range") for branch in found.branches)
    assert all(np.abs(branch.states).max() <= 1 for branch in found.branches)
    assert [point.kind for point in found.points] == ["fold"]


def test_an_interrupt_returns_what_is_done(monkeypatch):
    from ode2rnn.analysis.bifurcations.attractors import SampledRuns

    real, calls = SampledRuns._map, []

    def stopped(self, *args):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(SampledRuns, "_map", stopped)
    found = bifurcation(TURNING, "dT", [0.1, 0.2, 0.3, 0.4], "forward_euler", attractors=Attractors(2, 10, 4))
    assert not found.complete
    assert len(found.points) == 1
    assert np.isfinite(found.up[:2]).all()
    assert np.isnan(found.up[3]).all()
    assert "interrupted" in str(found)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((LOOP, "gain", [1.0, 0.5]), {}, "values: expected at least two increasing"),
        ((LOOP, "gain", [0.5, np.nan]), {}, "values"),
        ((LOOP, "dT", [0.5, 1.0]), {}, "sampling: expected a Sampling"),
        ((LOOP, "gain", [0.5, 1.0], "tustin"), {}, "dt: expected the step"),
        ((LOOP, "w", [0.5, 1.0]), {}, "parameter: expected one of"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "gain", [0.5, 1.0], "tustin"), {}, "sampling: expected None"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "dT", [0.5, 1.0]), {}, "name: expected 'gain'"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "gain", [0.5, 1.0]), {"attractors": Attractors(keep=0.5)}, "keep"),
        ((LOOP, "gain", [0.5, 1.0]), {"attractors": Attractors(observe=1)}, "observe: expected one of the 1 numbers"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "gain", [0.5, 1.0]), {"verify": True}, "verify: expected a flow"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "W_q[0, 0]", [0.5, 1.0]), {}, "name: expected 'gain'"),
        ((CanonicalRNN(0.0, 2.0, 1.0, 0.0), "x[1]", [0.5, 1.0]), {}, "name: expected an input"),
        ((torch.nn.RNN(1, 2), "weight_hh_l0[0, 2]", [0.5, 1.0]), {}, "name: expected indices that weight_hh_l0"),
        ((3.0, "gain", [0.5, 1.0]), {}, "system: expected"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        bifurcation(*arguments, **options)


def test_a_small_oscillation_of_the_samples_alone_is_doubtful_and_what_has_died_out_is_at_rest():
    W = np.array([[0.5, -2.0], [2.0, 0.5]])
    spiral = ContinuousRNN(-np.eye(2), W, None, None)
    found = bifurcation(
        spiral,
        "dT",
        [0.29, 0.31, 1.0],
        "implicit_linear",
        equilibria=False,
        verify=True,
        attractors=Attractors(2, 8000),
    )
    np.testing.assert_allclose(np.abs(found.fresh[1]).max(), 0.0910, atol=2e-4)  # beyond dT* = 0.3077
    np.testing.assert_array_equal(found.doubtful, [False, True, True])
    assert list(found.attractors(0)) == ["rest"]


def test_branches_of_branches_are_limited_too(monkeypatch):
    units = ContinuousRNN(A=-np.eye(3), B=np.diag([1.0, 1.3, 1.7]), C=None, phi=None)  # each has a pitchfork of its own
    values = np.linspace(0.5, 1.5, 11)
    assert len(bifurcation(units, "gain", values, attractors=False).branches) > 4
    monkeypatch.setattr(import_module("ode2rnn.analysis.bifurcations.branches"), "MOST", 4)
    assert len(bifurcation(units, "gain", values, attractors=False).branches) == 4
