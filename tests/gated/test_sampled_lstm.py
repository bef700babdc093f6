"""K2, K3: the LSTM samples its equation, at its own step and at others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.gated.networks import S0, D, M, lstm

from ode2rnn import (
    CanonicalRNN,
    ContinuousLSTM,
    LSTMState,
    SampledLSTM,
    VanillaLSTM,
    discretize,
    retime,
    run,
    undiscretize,
)
from ode2rnn.gated.rates import RULES, log_sigmoid, log_softplus, sampled_gates
from ode2rnn.gated.vanilla import LETTERS

X = np.random.default_rng(1).standard_normal((20, 4, M))


@pytest.mark.parametrize("peephole", ["full", "diagonal", None])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dt", [0.3, 1.0, 7.0])
def test_at_its_own_step_the_sampled_equation_is_the_lstm(peephole, rule, dt):
    cell = lstm(peephole=peephole, dt=dt)
    model = ContinuousLSTM(cell, rule=rule)
    own, sampled = run(cell, X, S0), run(SampledLSTM(model, dt, rule), X, S0)
    np.testing.assert_allclose(sampled.s, own.s, rtol=0, atol=1e-15)
    np.testing.assert_allclose(sampled.r, own.r, rtol=0, atol=1e-15)
    assert discretize(model, dt, rule) is cell


def test_undiscretize_and_discretize_are_inverse():
    cell = lstm(dt=0.5)
    model = undiscretize(cell)
    assert (model.tau, model.rule) == (0.5, "backward_euler")
    quarter = retime(cell, 0.125)
    assert isinstance(quarter, SampledLSTM)
    assert quarter.lag == 4
    assert undiscretize(quarter).cell is cell
    assert retime(quarter, 0.5) is cell


@pytest.mark.parametrize("m", [1, 2, 5])
def test_retiming_shifts_the_forget_activation_and_rescales_the_update_gate(m):
    """K3 as it is written, step by step."""
    cell, ratio = lstm(dt=0.5), 1 / m
    fine = SampledLSTM(undiscretize(cell), 0.5 / m)
    rng = np.random.default_rng(2)
    past = fine.remember(lambda n: rng.standard_normal(D), lambda n: 0.1 * rng.standard_normal(D))
    x, s, v = rng.standard_normal(M), past.s[-1], past.v[-1]

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    alpha_cs = cell.W_xcs @ x + cell.W_scs @ s + cell.W_vcs @ v + cell.b_cs
    g_cu = sigmoid(cell.W_xcu @ x + cell.W_scu @ s + cell.W_vcu @ v + cell.b_cu)
    g_cs, shifted = sigmoid(alpha_cs), sigmoid(alpha_cs - np.log(ratio))
    u = np.tanh(cell.W_xdu @ x + cell.W_vdu @ v + cell.b_du)
    now = shifted * past.s[0] + ratio * g_cu * shifted / g_cs * u
    g_cr = sigmoid(cell.W_xcr @ x + cell.W_scr @ now + cell.W_vcr @ v + cell.b_cr)
    after = fine.step(past, x)
    np.testing.assert_allclose(after.s[0], now, rtol=1e-14)
    np.testing.assert_allclose(after.v[0], g_cr * np.tanh(now), rtol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_the_gates_are_those_of_the_rates(rule):
    """K2: with the rates as numbers, not logarithms, where they are moderate."""
    model = ContinuousLSTM(lstm(dt=0.5), rule=rule)
    rng = np.random.default_rng(3)
    x, s, v = rng.standard_normal((7, M)), rng.standard_normal((7, D)), rng.standard_normal((7, D))
    rates = model.rates(model.known(x), s, v)
    kappa_s, kappa_u = np.exp(rates.log_s), np.exp(rates.log_u)
    for dt in (0.01, 0.5, 3.0):
        backward = sampled_gates(rates, dt, "backward_euler")
        np.testing.assert_allclose(backward[0], 1 / (1 + dt * kappa_s), rtol=1e-13)
        np.testing.assert_allclose(backward[1], dt * kappa_u / (1 + dt * kappa_s), rtol=1e-13)
        exact = sampled_gates(rates, dt, "exponential")
        np.testing.assert_allclose(exact[0], np.exp(-dt * kappa_s), rtol=1e-13)
        np.testing.assert_allclose(exact[1], kappa_u * -np.expm1(-dt * kappa_s) / kappa_s, rtol=1e-12)


@given(st.floats(-700, 700), st.floats(-700, 700), st.floats(1e-3, 1e3))
def test_no_activation_makes_a_gate_overflow(alpha_cu, alpha_cs, dt):
    for rule in RULES:
        cell = replace(lstm(d=1, scale=0.0), b_cu=np.array([alpha_cu]), b_cs=np.array([alpha_cs]))
        model = ContinuousLSTM(cell, rule=rule)
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            rates = model.rates(model.known(np.zeros(M)), np.zeros(1), np.zeros(1))
        for scheme in RULES:
            with np.errstate(over="ignore"):
                g_cs, g_cu = sampled_gates(rates, dt, scheme)
            assert np.isfinite(rates.log_s).all()
            assert np.isfinite(rates.log_u).all()
            assert 0 <= g_cs[0] <= 1
            assert np.isfinite(g_cu[0])


def test_logarithms_hold_far_out():
    a = np.array([-700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0])
    np.testing.assert_allclose(log_sigmoid(a)[:3], [-700.0, -40.0, np.log(1 / (1 + np.e))], rtol=1e-14)
    np.testing.assert_allclose(log_softplus(a)[[0, 1, 5, 6]], [-700.0, -40.0, np.log(40.0), np.log(700.0)], rtol=1e-14)
    np.testing.assert_allclose(log_sigmoid(a)[-1], 0.0, atol=1e-300)


def test_a_step_that_does_not_divide_the_delay_is_refused_by_the_nearest_that_does():
    with pytest.raises(ValueError, match=r"divides the delay 1, got 0.3; the nearest that does is 0.33"):
        retime(lstm(), 0.3)
    with pytest.raises(ValueError, match="divides the delay 1, got 2"):
        retime(lstm(), 2.0)


def test_other_bad_arguments_are_named():
    model = undiscretize(lstm())
    with pytest.raises(
        ValueError, match="scheme: expected one of backward_euler, exponential, implicit_linear; got 'tustin'"
    ):
        discretize(model, 1.0, "tustin")
    with pytest.raises(ValueError, match="alpha: expected none"):
        discretize(model, 1.0, alpha=0.5)
    with pytest.raises(ValueError, match="scheme: expected 'implicit_linear' for tau = 0"):
        discretize(ContinuousLSTM(lstm(), tau=0.0), 0.1)
    with pytest.raises(ValueError, match="for tau > 0"):
        discretize(model, 0.5, "implicit_linear")
    with pytest.raises(ValueError, match="cell: expected a VanillaLSTM"):
        ContinuousLSTM(CanonicalRNN(0.5, 0.5, 1.0, 0.0))
    with pytest.raises(ValueError, match="rule: expected one of"):
        ContinuousLSTM(lstm(), rule="euler")
    with pytest.raises(ValueError, match="tau: expected a number >= 0"):
        ContinuousLSTM(lstm(), tau=-1.0)
    with pytest.raises(ValueError, match="model: expected an AdditiveModel, ContinuousRNN or ContinuousLSTM"):
        discretize(lstm(), 1.0)
    with pytest.raises(ValueError, match="model: expected a ContinuousLSTM"):
        SampledLSTM(lstm(), 1.0)
    fine = retime(lstm(), 0.25)
    with pytest.raises(ValueError, match="memory of 4 samples, got one of 2"):
        run(fine, X, retime(lstm(), 0.5).init(S0))


@pytest.mark.parametrize("start", [LSTMState(S0, S0), (S0, S0)], ids=["state of an LSTM", "pair"])
def test_a_pair_is_no_batch_of_two(start):
    with pytest.raises(ValueError, match=r"s0: expected s\[-1\], or the whole state as LSTMMemory\(.*, got a tuple"):
        run(retime(lstm(), 0.25), X, start)
    with pytest.raises(ValueError, match=r"s0: expected s.*, got a tuple"):
        run(CanonicalRNN(np.eye(D), np.eye(D), np.ones((D, M)), np.zeros(D)), X, LSTMState(S0, S0))


def test_a_memory_of_its_own_is_checked_and_gone_on_from():
    fine = retime(lstm(), 0.25)
    first = fine.init(S0)
    for x in X[:3]:
        first = fine.step(first, x)
    np.testing.assert_allclose(run(fine, X[3:], first).s, run(fine, X, S0).s[3:], rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match=r"s0.v: expected shape"):
        run(fine, X, first._replace(v=tuple(v[..., :-1] for v in first.v)))
    with pytest.raises(ValueError, match=r"s0.s: expected finite numbers"):
        run(fine, X, first._replace(s=tuple(np.nan * s for s in first.s)))


def test_late_gates_of_tau_0_are_those_of_tau_dt():
    cell = lstm()
    late = discretize(ContinuousLSTM(cell, tau=0.0), 0.1, "implicit_linear")
    tied = discretize(ContinuousLSTM(cell, tau=0.1), 0.1)
    np.testing.assert_array_equal(run(late, X, S0).s, run(tied, X, S0).s)


def test_in_torch_it_has_the_same_numbers_and_gradients():
    cell = lstm()
    leaves = {name: torch.tensor(getattr(cell, name), requires_grad=True) for name in LETTERS}
    for rule in RULES:
        own = SampledLSTM(ContinuousLSTM(VanillaLSTM(**leaves), rule=rule), 0.25, rule)
        found = run(own, torch.tensor(X))
        plain = run(SampledLSTM(ContinuousLSTM(cell, rule=rule), 0.25, rule), X)
        np.testing.assert_allclose(found.s.detach().numpy(), plain.s, rtol=0, atol=1e-14)
        grads = torch.autograd.grad(found.r.square().sum(), list(leaves.values()))

        def E(h, rule=rule):
            moved = replace(cell, W_vcs=cell.W_vcs + h * np.eye(D))
            return (run(SampledLSTM(ContinuousLSTM(moved, rule=rule), 0.25, rule), X).r ** 2).sum()

        slope = (8 * (E(1e-3) - E(-1e-3)) - (E(2e-3) - E(-2e-3))) / 12e-3
        autograd = float(grads[LETTERS.index("W_vcs")].diagonal().sum())
        np.testing.assert_allclose(autograd, slope, rtol=1e-8)


@pytest.mark.parametrize(("tau", "scheme"), [(0.0, "implicit_linear"), (1.0, "exponential"), (1.0, "backward_euler")])
def test_retimed_samples_keep_their_scheme(tau, scheme):
    model = ContinuousLSTM(lstm(dt=1.0), tau=tau)
    fine = retime(discretize(model, 0.5, scheme), 0.25)
    assert (fine.scheme, fine.dt) == (scheme, 0.25)
    x = np.sin(np.arange(12.0))[:, None] * np.ones(M)
    np.testing.assert_array_equal(run(fine, x).s, run(discretize(model, 0.25, scheme), x).s)
