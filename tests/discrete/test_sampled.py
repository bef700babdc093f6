"""The delay equation, stepped by its own solver, is the canonical RNN (D2): the paper's claim as an identity."""

import numpy as np
import pytest
import torch

from ode2rnn import AdditiveModel, ContinuousRNN, Sampled, discretize, integrate, quasi_static, run, signals
from ode2rnn.solvers.explicit.runge_kutta import TABLEAUS


def network(seed: int, tau: float, d: int = 5, m: int = 2, activation: str = "tanh") -> ContinuousRNN:
    rng = np.random.default_rng(seed)
    A = -np.diag(rng.uniform(0.5, 2.0, d)) + 0.2 * rng.normal(size=(d, d))
    gain = 0.3 if activation == "relu" else 1.0  # without saturation a larger feedback grows without bound
    B, C, phi = gain * rng.normal(size=(d, d)) / np.sqrt(d), rng.normal(size=(d, m)) / 2, 0.2 * rng.normal(size=d)
    return ContinuousRNN(A, B, C, phi, tau=tau, activation=activation)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("seed", range(4))
def test_sampled_with_the_delay_equal_to_the_step_is_the_canonical_rnn(seed, activation):
    dt = 0.3
    model = network(seed, tau=dt, activation=activation)
    x = np.random.default_rng(seed).normal(size=(60, 2))
    sampled, canonical = run(Sampled(model, dt), x), run(discretize(model, dt), x)
    size = max(1.0, np.abs(canonical.s).max())
    assert np.abs(sampled.s - canonical.s).max() <= 1e-15 * size
    assert np.abs(sampled.r - canonical.r).max() <= 1e-15 * size
    np.testing.assert_array_equal(sampled.t, canonical.t)


def test_an_off_by_one_in_the_delayed_sample_would_be_seen():
    """The error of taking r[n-2] for r[n-1] is of the size of the signal: the identity above can fail."""
    model = network(0, tau=0.3)
    x = np.random.default_rng(0).normal(size=(60, 2))
    wrong = run(Sampled(ContinuousRNN(model.A, model.B, model.C, model.phi, tau=0.6), 0.3), x)
    assert np.abs(wrong.s - run(discretize(model, 0.3), x).s).max() > 0.05


@pytest.mark.parametrize("lag", [2, 3, 7])
def test_a_delay_of_several_samples_is_the_recursion_with_that_lag(lag):
    model = network(1, tau=0.1 * lag)
    x = np.random.default_rng(1).normal(size=(50, 2))
    gap = run(Sampled(model, 0.1), x).s - run(discretize(model, 0.1), x).s
    assert np.abs(gap).max() <= 3e-15


def test_two_delays_and_a_batch_of_inputs_are_sampled_too():
    rng = np.random.default_rng(2)
    A, A2, B = -np.eye(2), 0.3 * rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    model = AdditiveModel(state=[(A, 0.0), (A2, 0.4)], readout=[(B, 0.2)], input=[(np.eye(2), 0.0)])
    x = rng.normal(size=(30, 4, 2))
    sampled = run(Sampled(model, 0.2), x, s0=[0.5, -0.5])
    assert sampled.s.shape == (30, 4, 2)
    assert np.abs(sampled.s - run(discretize(model, 0.2), x, s0=[0.5, -0.5]).s).max() <= 3e-15
    alone = run(Sampled(model, 0.2), x[:, 1], s0=[0.5, -0.5])
    np.testing.assert_allclose(sampled.s[:, 1], alone.s, rtol=0, atol=1e-15)


@pytest.mark.parametrize("tau", [0.0, 0.25, 0.4])
@pytest.mark.parametrize("method", ["auto", "tsit5"])
def test_an_accurate_method_gives_the_exact_samples_of_a_held_input(method, tau):
    dt, ticks = 0.25, 24
    model = network(3, tau=tau)
    x = np.random.default_rng(3).normal(size=(ticks, 2))
    sampled = run(Sampled(model, dt, method=method, rtol=1e-10, atol=1e-12), x)
    edges = dt * np.arange(-1, ticks)
    held = signals.Held(edges, np.concatenate([x[:1], x]))
    exact = integrate(model, held, t=edges, history=np.zeros(5), rtol=1e-11, atol=1e-13)
    assert np.abs(sampled.s - exact.s[1:]).max() < 1e-8


@pytest.mark.parametrize("method", TABLEAUS)
def test_an_explicit_tick_is_the_step_of_torchdiffeq(method):
    model, x = network(3, tau=0.0), np.array([0.3, -0.4])
    s = np.random.default_rng(3).normal(size=(4, 5))
    tick = Sampled(model, 0.25, method, substeps=2)
    by_library = integrate(model, signals.Constant(x), t=(0.0, 0.25), history=s, method=method, dt=0.125)
    np.testing.assert_allclose(tick.step(tick.init(s), x).state, by_library.s[-1], rtol=0, atol=1e-15)


def test_substeps_converge_to_the_exact_samples_at_first_order():
    model = network(4, tau=0.5)
    x = np.random.default_rng(4).normal(size=(12, 2))
    exact = run(Sampled(model, 0.5, method="spectral", rtol=1e-11), x).s
    counts = np.array([8, 16, 32, 64, 128])
    errors = [np.abs(run(Sampled(model, 0.5, substeps=int(k)), x).s - exact).max() for k in counts]
    assert -np.polyfit(np.log(counts), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)


def test_a_sampled_model_in_torch_is_the_same_and_differentiable():
    model = network(5, tau=0.3, d=3)
    B = torch.tensor(model.B, requires_grad=True)
    tensor = ContinuousRNN(torch.tensor(model.A), B, torch.tensor(model.C), torch.tensor(model.phi), tau=0.3)
    x = np.random.default_rng(5).normal(size=(20, 2))
    sampled = run(Sampled(tensor, 0.3), torch.tensor(x))
    assert np.abs(sampled.s.detach().numpy() - run(Sampled(model, 0.3), x).s).max() <= 2e-15
    canonical = run(discretize(tensor, 0.3), torch.tensor(x))
    (one,) = torch.autograd.grad((sampled.s**2).sum(), B)
    (other,) = torch.autograd.grad((canonical.s**2).sum(), B)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"dt": 0.0}, "dt: expected a number > 0"),
        ({"dt": 0.3, "substeps": 0}, "substeps: expected a whole number >= 1"),
        ({"dt": 0.3, "method": "eulr"}, "did you mean 'euler'"),
        ({"dt": 0.2}, "dt: expected a step that divides the delay"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        run(Sampled(network(0, tau=0.3), **arguments), np.zeros((2, 2)))


def test_a_delayed_input_is_refused():
    with pytest.raises(ValueError, match="input terms without delay"):
        Sampled(AdditiveModel(state=[(-1.0, 0.0)], input=[(1.0, 0.5)]), 0.5)


def test_long_steps_lead_to_the_quasi_static_cell():
    model = network(6, tau=1.0)
    limit = quasi_static(model)
    np.testing.assert_allclose(model.A @ limit.W_r, -model.B, atol=1e-14)
    np.testing.assert_allclose(model.A @ limit.W_x, -model.C, atol=1e-14)
    np.testing.assert_allclose(model.A @ limit.theta_s, -model.phi, atol=1e-14)
    assert not limit.W_s.any()
    dts = np.array([1e2, 1e3, 1e4, 1e5])
    gaps = []
    for dt in dts:
        cell = discretize(ContinuousRNN(model.A, model.B, model.C, model.phi, tau=dt), dt)
        gaps.append(max(np.abs(cell.W_s).max(), np.abs(cell.W_r - limit.W_r).max()))
    assert np.polyfit(np.log(dts), np.log(gaps), 1)[0] == pytest.approx(-1.0, abs=0.02)


def test_a_model_without_leak_has_no_quasi_static_limit():
    with pytest.raises(ValueError, match="A: expected an invertible matrix"):
        quasi_static(ContinuousRNN(np.zeros((2, 2)), np.eye(2), None, None))
