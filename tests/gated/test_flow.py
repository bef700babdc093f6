"""K1 solved: methods agree, jumps come back for ever, stiff units are held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from tests.gated.networks import S0, D, M, inputs, lstm

from ode2rnn import (
    METHODS,
    ContinuousLSTM,
    SimulationError,
    VanillaLSTM,
    integrate,
    run,
    signals,
    undiscretize,
)
from ode2rnn.core.systems.flat import Flat
from ode2rnn.gated.vanilla import LETTERS
from ode2rnn.solvers.methods import FEEDBACK_METHODS as KNOWN_METHODS

END = 4.0
T = np.linspace(0, END, 41)
LOOSEST = {"tsit5": 1e-9, "Radau": 1e-8, "BDF": 1e-9, "LSODA": 1e-10, "RK45": 1e-9}


def solve(model, x, method="auto", rtol=1e-11, **rest):
    return integrate(model, x, **{"t": T, "history": S0, **rest}, method=method, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("kind", ["held", "linear", "sine"])
@pytest.mark.parametrize("rule", ["backward_euler", "exponential"])
def test_collocation_and_dop853_agree_with_a_delay(kind, rule):
    model, x = ContinuousLSTM(lstm(), rule=rule), inputs(kind, END)
    first, second = solve(model, x), solve(model, x, "DOP853", 1e-12)
    assert first.stats.method == "spectral"
    np.testing.assert_allclose(first.s, second.s, rtol=0, atol=3e-11)
    np.testing.assert_allclose(first.r, second.r, rtol=0, atol=3e-11)


@pytest.mark.parametrize("tau", [0.0, 0.7])
@pytest.mark.parametrize("method", [m for m in KNOWN_METHODS if m != "spectral"])
def test_every_method_finds_the_same_solution(tau, method):
    model, x = ContinuousLSTM(lstm(), tau=tau), inputs("linear", END)
    rtol = LOOSEST.get(method, 1e-11)
    best, found = solve(model, x, "DOP853", 1e-12), solve(model, x, method, rtol)
    np.testing.assert_allclose(found.s, best.s, rtol=0, atol=300 * rtol)
    np.testing.assert_allclose(found.r, best.r, rtol=0, atol=300 * rtol)


def test_constant_rates_have_the_closed_form():
    """No weights: s relaxes to kappa_u u / kappa_s at the rate kappa_s."""
    zero = lstm(scale=0.0, dt=0.5)
    cell = replace(zero, b_cs=np.full(D, 0.3), b_cu=np.full(D, -0.2), b_du=np.array([1.0, -0.5, 0.1]))
    found = solve(undiscretize(cell), None)
    kappa_s = np.exp(-0.3) / 0.5
    kappa_u = (1 / (1 + np.exp(0.2))) / (0.5 / (1 + np.exp(-0.3)))
    held = kappa_u * np.tanh(cell.b_du) / kappa_s
    exact = held + (S0 - held) * np.exp(-kappa_s * T)[:, None]
    np.testing.assert_allclose(found.s, exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.r, 0.5 * np.tanh(exact), rtol=0, atol=1e-12)


def test_a_jump_of_the_readout_comes_back_after_every_delay():
    """v = 0 before t0, so that v jumps at t0; it jumps at every multiple of tau, and its value is the one before."""
    model = undiscretize(replace(lstm(), W_vcr=8 * np.eye(D), b_cr=np.zeros(D)))
    found = solve(model, None, t=(0.0, 6.5), s0=np.ones(D))
    inside = found.knots
    assert {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} <= set(inside.round(12))
    after, at = found.readout(np.arange(1, 6) + 1e-9), found.readout(np.arange(1.0, 6.0))
    before = found.readout(np.arange(1, 6) - 1e-9)
    np.testing.assert_allclose(at, before, atol=1e-7)
    assert (np.abs(after - at).max(axis=1) > 1e-6).all()
    np.testing.assert_allclose(found(np.arange(1, 6) + 1e-9), found(np.arange(1, 6) - 1e-9), atol=1e-7)


def test_a_knot_of_the_input_between_the_delays_is_a_breaking_point_for_ever():
    x = signals.Held([0.0, 0.3, 9.0], np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 0.5]]))
    found = solve(undiscretize(lstm()), x)
    assert {0.3, 1.3, 2.3, 3.3} <= set(found.knots.round(12))
    again = solve(undiscretize(lstm()), x, "DOP853", 1e-12)
    np.testing.assert_allclose(found.r, again.r, rtol=0, atol=3e-11)


@pytest.mark.parametrize("tau", [1.0, 0.0])
@pytest.mark.parametrize("alpha", [-700.0, -30.0, 30.0, 700.0])
def test_a_forget_gate_of_any_activation_is_solved(alpha, tau):
    """Closed, the unit is held at g_cu u; open, it integrates."""
    cell = replace(lstm(scale=0.0), b_cs=np.full(D, alpha), b_du=np.ones(D))
    found = solve(ContinuousLSTM(cell, tau=tau), None, rtol=1e-8)
    u = np.tanh(1.0)
    end = 0.5 * u if alpha < 0 else S0 + 0.5 * u * END
    np.testing.assert_allclose(found.s[-1], end * np.ones(D), rtol=1e-6)
    assert np.isfinite(found.s).all()


def test_a_solution_goes_on_from_a_solution():
    model, x = undiscretize(lstm()), inputs("held", 9.0)
    whole = solve(model, x, t=np.linspace(0, 8, 33))
    first = solve(model, x, t=(0.0, 4.5))
    rest = solve(model, x, t=np.linspace(4.5, 8, 15), history=first)
    np.testing.assert_allclose(rest.s, whole(rest.t), rtol=0, atol=1e-10)
    np.testing.assert_allclose(rest.r[1:], whole.readout(rest.t)[1:], rtol=0, atol=1e-10)


def test_the_readout_before_t0_can_be_given():
    model, x = undiscretize(lstm()), inputs("sine", END)
    quiet, told = solve(model, x), solve(model, x, history=(S0, np.full(D, 0.4)))
    by_function = solve(model, x, history=(lambda t: np.ones((len(t), 1)) * S0, lambda t: np.full((len(t), D), 0.4)))
    assert np.abs(quiet.s - told.s).max() > 1e-3
    np.testing.assert_allclose(by_function.s, told.s, rtol=0, atol=1e-10)


def test_a_batch_is_its_members():
    model = undiscretize(lstm())
    rng = np.random.default_rng(4)
    x = signals.Linear(np.arange(6.0), rng.standard_normal((6, 4, M)))
    start = rng.standard_normal((4, D))
    for tau in (1.0, 0.0):
        model = ContinuousLSTM(lstm(), tau=tau)
        whole = solve(model, x, history=start)
        assert whole.s.shape == whole.r.shape == (len(T), 4, D)
        for k in range(4):
            one = solve(model, signals.Linear(np.arange(6.0), x.x[:, k]), history=start[k])
            np.testing.assert_allclose(whole.s[:, k], one.s, rtol=0, atol=1e-9)
            np.testing.assert_allclose(whole.r[:, k], one.r, rtol=0, atol=1e-9)


@pytest.mark.parametrize("tau", [1.0, 0.0])
def test_gradients_flow_through_the_solution(tau):
    cell = lstm()
    x = inputs("linear", END)
    leaves = {name: torch.tensor(getattr(cell, name), requires_grad=True) for name in LETTERS}
    options = {"rtol": 1e-8 if tau else 1e-7}
    found = solve(ContinuousLSTM(VanillaLSTM(**leaves), tau=tau), x, t=np.linspace(0, 2, 5), **options)
    (grad,) = torch.autograd.grad(found.r.square().sum() + found.s.sum(), [leaves["W_vcs"]])

    def E(h):
        moved = ContinuousLSTM(replace(cell, W_vcs=cell.W_vcs + h * np.eye(D)), tau=tau)
        there = solve(moved, x, "DOP853", 1e-11, t=np.linspace(0, 2, 5))
        return (there.r**2).sum() + there.s.sum()

    slope = (8 * (E(1e-2) - E(-1e-2)) - (E(2e-2) - E(-2e-2))) / 12e-2
    np.testing.assert_allclose(float(grad.diagonal().sum()), slope, rtol=1e-5)


def test_methods_that_do_not_solve_it_are_refused_by_name():
    model = undiscretize(lstm())
    for name in METHODS:
        if name not in KNOWN_METHODS:
            with pytest.raises(ValueError, match=f"method: '{name}' does not solve a ContinuousLSTM"):
                solve(model, None, name)
    with pytest.raises(ValueError, match="'spectral' needs tau > 0"):
        solve(ContinuousLSTM(lstm(), tau=0.0), None, "spectral")
    with pytest.raises(ValueError, match="'DOP853' runs in NumPy"):
        solve(model, None, "DOP853", history=torch.tensor(S0))


def test_bad_arguments_are_named():
    model = undiscretize(lstm())
    cases = {
        "history: expected shape": {"history": np.zeros(D + 1)},
        "history\\[1\\]: expected shape": {"history": (np.zeros(D), np.zeros(2))},
        "s0: expected shape": {"s0": np.zeros(2)},
        "t: expected t0 < t1": {"t": (1.0, 0.0)},
        "rtol: expected": {"rtol": 2.0},
        "dt: 'spectral' chooses its own steps": {"dt": 0.1},
        "method: 'dopri5' does not solve a ContinuousLSTM": {"adjoint": True},
        "batch shapes that broadcast": {"history": np.zeros((2, D)), "s0": np.zeros((3, D))},
        "history: expected a trajectory of integrate": {"history": run(lstm(), np.zeros((5, M)))},
    }
    for message, bad in cases.items():
        with pytest.raises(ValueError, match=message):
            integrate(model, **{"t": (0.0, 1.0), "history": S0, **bad})
    with pytest.raises(ValueError, match=r"x: expected values of shape \(..., 2\)"):
        solve(model, signals.Sine())
    many = signals.Held(np.sort(np.random.default_rng(0).uniform(0, 1000, 2000)), np.zeros((2000, M)))
    with pytest.raises(ValueError, match="x: expected at most 1e\\+06 breaking points"):
        integrate(model, many, t=(0.0, 999.0), history=S0)


def test_a_failure_keeps_the_valid_part():
    """A unit that integrates a drive near the largest number leaves the finite ones."""
    cell = replace(lstm(scale=0.0), b_cs=np.full(D, 40.0), b_du=np.ones(D))
    with pytest.raises(SimulationError) as caught:
        integrate(undiscretize(cell), None, t=(0.0, 4.0), history=np.full(D, 1e305))
    part = caught.value.trajectory  # of the first step s(t0) and v(t0) = tanh(s) / 2 are what is known
    np.testing.assert_array_equal(part.s, np.full((1, D), 1e305))
    np.testing.assert_allclose(part.r, 1 / (1 + np.exp(-cell.b_cr))[None], rtol=1e-15)
    assert not part.success


def test_the_trajectory_says_what_it_cost_and_keeps_its_input(tmp_path):
    found = solve(undiscretize(lstm()), inputs("held", END))
    assert found.x.shape == (len(T), M)
    assert found.stats.evaluations > found.stats.steps > 0
    np.testing.assert_array_equal(found.readout(T), found.r)
    with pytest.raises(ValueError, match="t: expected times in"):
        found.readout(END + 1)
    path = found.save(tmp_path / "lstm.npz")
    np.testing.assert_array_equal(found.load(path).r, found.r)


@pytest.mark.parametrize("fast", [1e4, 1e8])
def test_a_layer_that_is_too_narrow_for_t_is_resolved_by_its_place_in_the_segment(fast):
    """One unit follows at the rate ``fast``; far from t = 0 its layers and those of v last less than t can tell."""
    cell = lstm(scale=0.5)
    cell = replace(cell, b_cs=np.array([-np.log(fast), 0.0, 1.0]), b_cu=np.full(D, 2.0))
    model, shift = undiscretize(cell), 4096.0
    x, later = (signals.Held(np.arange(9.0) + o, inputs("held", 8.0).x[:9]) for o in (0.0, shift))
    near = solve(model, x, rtol=1e-9, t=(0.0, 4.0))
    far = solve(model, later, rtol=1e-9, t=(shift, shift + 4.0))
    at = np.linspace(0.05, 3.95, 40)
    np.testing.assert_allclose(far(shift + at), near(at), rtol=0, atol=3e-9)
    np.testing.assert_allclose(far.readout(shift + at), near.readout(at), rtol=0, atol=3e-9)
    stiff = solve(model, x, "Radau", 1e-9, t=(0.0, 1.0))
    np.testing.assert_allclose(stiff(at[:10]), near(at[:10]), rtol=0, atol=1e-7)


RULE = pytest.mark.parametrize("rule", ["backward_euler", "exponential"])
DELAY = pytest.mark.parametrize("tau", [0.0, 0.7])


@RULE
def test_the_rate_is_the_equation_written_out(rule):
    cell = lstm(dt=0.5)
    model, rng = ContinuousLSTM(cell, tau=0.7, rule=rule), np.random.default_rng(8)
    s, late, v, x = rng.standard_normal((3, D)), *rng.standard_normal((2, 3, D)), rng.standard_normal((3, M))

    def alpha(gate):
        seen = 0 if gate == "du" else late @ getattr(cell, f"W_s{gate}").T
        return x @ getattr(cell, f"W_x{gate}").T + v @ getattr(cell, f"W_v{gate}").T + getattr(cell, f"b_{gate}") + seen

    g_cu, g_cs, u = 1 / (1 + np.exp(-alpha("cu"))), 1 / (1 + np.exp(-alpha("cs"))), np.tanh(alpha("du"))
    if rule == "backward_euler":
        kappa_s = (1 / g_cs - 1) / 0.5
        kappa_u = g_cu / (0.5 * g_cs)
    else:
        kappa_s = -np.log(g_cs) / 0.5
        kappa_u = g_cu * kappa_s / (1 - g_cs)
    past = np.concatenate([late, v], axis=-1)
    np.testing.assert_allclose(model.rate(0.0, s, (past,), x), -kappa_s * s + kappa_u * u, rtol=0, atol=1e-13)
    alpha_cr = x @ cell.W_xcr.T + v @ cell.W_vcr.T + cell.b_cr + s @ cell.W_scr.T
    np.testing.assert_allclose(model.feedback(0.0, s, (past,), x), np.tanh(s) / (1 + np.exp(-alpha_cr)), atol=1e-14)
    with pytest.raises(ValueError, match="past: expected"):
        model.rate(0.0, s, (), x)


@RULE
@DELAY
@pytest.mark.parametrize("peephole", ["full", "diagonal", None])
def test_the_tangents_of_the_flow_are_those_of_autograd(rule, tau, peephole):
    cell, rng = lstm(peephole=peephole, dt=0.5), np.random.default_rng(2)
    weights = {n: getattr(cell, n) for n in LETTERS}
    tensors = VanillaLSTM(**{n: None if W is None else torch.tensor(W) for n, W in weights.items()}, dt=0.5)
    model, own = ContinuousLSTM(cell, tau, rule), ContinuousLSTM(tensors, tau, rule)
    s, x = rng.standard_normal((5, D)), rng.standard_normal((5, M))
    past = (rng.standard_normal((5, 2 * D)),) if tau else ()
    ds, d_past = rng.standard_normal((5, D)), tuple(rng.standard_normal(p.shape) for p in past)
    given, along = (tuple(map(torch.tensor, part)) for part in ((s, *past), (ds, *d_past)))
    for name in ("rate", "feedback"):

        def value(s, *past, name=name):
            return getattr(own, name)(0.0, s, past, torch.tensor(x))

        exact = torch.autograd.functional.jvp(value, given, along)[1]
        found = getattr(model, f"{name}_jvp")(0.0, s, past, x, ds, d_past)
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)
        in_torch = getattr(own, f"{name}_jvp")(0.0, given[0], given[1:], torch.tensor(x), along[0], along[1:])
        np.testing.assert_allclose(in_torch, exact, rtol=0, atol=1e-12)
        # many directions at one state
        wide = getattr(model, f"{name}_jvp")(
            0.0, s[:, None], tuple(p[:, None] for p in past), x[:, None], ds[None], tuple(p[None] for p in d_past)
        )
        np.testing.assert_allclose(wide[range(5), range(5)], exact, rtol=0, atol=1e-12)
        if tau:
            still = getattr(model, f"{name}_jvp")(0.0, s, past, x, ds)
            zero = getattr(model, f"{name}_jvp")(0.0, s, past, x, ds, (np.zeros((5, 2 * D)),))
            np.testing.assert_allclose(still, zero, rtol=0, atol=1e-14)


@pytest.mark.parametrize("alpha", [-600.0, -50.0, 50.0, 600.0])
@RULE
def test_the_tangent_of_a_gate_that_is_closed_or_open_is_finite(alpha, rule):
    model = ContinuousLSTM(replace(lstm(), b_cs=np.full(D, alpha)), 0.7, rule)
    past, ones = np.full((1, 2 * D), 0.2), np.ones((1, D))
    assert np.isfinite(model.rate_jvp(0.0, ones, (past,), None, ones, (past,))).all()


def test_the_flow_without_delay_is_what_is_integrated():
    model, x = ContinuousLSTM(lstm(), tau=0.0), np.array([0.4, -0.3])
    ours = solve(model, signals.Constant(x))
    own = solve_ivp(lambda t, s: model.rate(t, s, (), x), (0.0, END), S0, "DOP853", T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(ours.s, own.y.T, rtol=0, atol=1e-9)
    shown = np.array([model.feedback(0.0, s, (), x) for s in ours.s])
    np.testing.assert_allclose(ours.r, shown, rtol=0, atol=1e-12)


def test_it_rests_where_it_does_without_delay_and_its_numbers_have_names():
    model = undiscretize(lstm())
    rest = model.settled()
    assert (rest.delays, rest.settled() is rest, model.feedback_width) == ((), True, D)
    assert (model.value_of("tau"), model.parameter("tau")(0.25).delays) == (1.0, (0.25,))
    moved = model.parameter("W_vcs[0, 2]")(7.0)
    assert (moved.cell.W_vcs[0, 2], moved.value_of("W_vcs[0, 2]")) == (7.0, 7.0)
    assert model.value_of("W_vcs[0, 2]") == model.cell.W_vcs[0, 2]
    np.testing.assert_array_equal(model.parameter("gain")(0.5).cell.W_vdu, 0.5 * model.cell.W_vdu)
    np.testing.assert_array_equal(model.parameter("gain")(0.5).cell.W_xdu, model.cell.W_xdu)
    np.testing.assert_array_equal(model.readout(S0), np.tanh(S0))
    assert (model.linear, model.depends_on_time, model.tensors()) == (None, False, ())
    for name in ("W_zzz[0]", "W_vcs[9, 9]", "W_vcs", "tau[3]"):
        with pytest.raises(ValueError, match="name: expected"):
            model.parameter(name)
    flat = Flat(rest)
    x = np.array([0.4, -0.3])
    h, s = 1e-6, np.array([0.1, 0.5, -0.3])
    numbers = [(flat.advance(s + h * e, x) - flat.advance(s - h * e, x)) / (2 * h) for e in np.eye(D)]
    np.testing.assert_allclose(flat.jacobian(s, x).T, numbers, atol=1e-8)
