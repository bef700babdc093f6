"""How a study feeds the recursion: its past, its input at the ends of its ticks, its clock."""

import numpy as np
import pytest
from tests.analysis.networks import KINDS, SINES, SPAN, network, past

from ode2rnn import ContinuousRNN, signals
from ode2rnn.analysis import convergence
from ode2rnn.analysis.step_size.recursion import sample


@pytest.mark.parametrize(
    ("scheme", "errors"),
    [
        ("forward_euler", [2.884e-2, 1.264e-2, 2.257e-3, 2.198e-4]),
        ("backward_euler", [1.597e-2, 9.398e-3, 2.127e-3, 2.185e-4]),
    ],
)
def test_r4_euler_on_the_linear_delay_equation(scheme, errors):
    model = ContinuousRNN(A=0.0, B=-1.0, C=None, phi=None, tau=1.0, activation="identity")
    study = convergence(model, t=(0, 10), history=1.0, dts=[0.1, 0.05, 0.01, 0.001], scheme=scheme)
    assert study.errors["final"] == pytest.approx(errors, rel=1e-3)


def test_the_first_sample_of_forward_euler_reads_the_true_past():
    model, dt, t0 = network(0.5), 0.25, SPAN[0]
    study = convergence(model, SINES, t=SPAN, history=past, dts=[dt, dt / 2], scheme="forward_euler", reference=past)
    s, nodes = past(t0), [past(t0)]
    for n in range(8):
        t = t0 + n * dt
        delayed = past(t - 0.5) if n < 2 else nodes[n - 2]
        s = s + dt * (model.A @ s + model.B @ np.tanh(delayed) + model.C @ SINES(t) + model.phi)
        nodes.append(s)
    truth = past(t0 + dt * np.arange(1, 9))
    assert study.errors["maximum"][0] == pytest.approx(np.abs(np.array(nodes[1:]) - truth).max(), abs=1e-13)


@pytest.mark.parametrize("kind", ["next", "previous"])
def test_a_held_series_is_sampled_before_its_jumps_whatever_rounding_does_to_the_times(kind):
    x = np.random.default_rng(0).normal(size=(31, 1))
    held = signals.Held(0.1 * np.arange(31), x, kind=kind)
    for times in (0.1 * np.arange(1, 31), np.cumsum(np.full(30, 0.1)), np.arange(1, 31) / 10):
        expected = x[1:] if kind == "next" else x[:-1]
        assert (sample(held, times, 0.1) == expected).all()


def test_on_a_held_input_the_exponential_scheme_is_exact_for_a_linear_network():
    x = signals.Held(0.1 * np.arange(21), np.random.default_rng(0).normal(size=(21, 1)))
    model = ContinuousRNN(A=[[-1.0, 2.0], [-2.0, -1.0]], B=np.zeros((2, 2)), C=[[1.0], [0.5]], phi=[0.1, 0.2])
    study = convergence(model, x, t=(0.0, 2.0), history=[1.0, 0.0], dts=[0.1, 0.05, 0.025], scheme="zoh")
    assert study.errors["maximum"].max() < 1e-12
    assert np.isnan(study.order["maximum"])  # three errors of rounding have no order
    assert not study.used["maximum"].any()


def test_the_clock_may_start_anywhere():
    model = ContinuousRNN(A=-1.0, B=0.5, C=None, phi=None, tau=0.5)
    here = convergence(model, t=(0.0, 2.0), history=1.0, dts=[0.1, 0.05])
    there = convergence(model, t=(1e6, 1e6 + 2.0), history=1.0, dts=[0.1, 0.05])
    for kind in KINDS:
        assert there.errors[kind] == pytest.approx(here.errors[kind], rel=1e-6)


def test_a_batch_counts_by_its_worst_member():
    model = network(0.5)
    starts = np.random.default_rng(3).normal(size=(2, 3, 4))
    whole = convergence(model, SINES, t=SPAN, history=starts, dts=[0.125, 0.0625])
    parts = [convergence(model, SINES, t=SPAN, history=s, dts=[0.125, 0.0625]) for s in starts.reshape(-1, 4)]
    for kind in KINDS:
        worst = np.max([part.errors[kind] for part in parts], axis=0)
        assert whole.errors[kind] == pytest.approx(worst, rel=1e-9)


def test_a_model_in_torch_gives_the_numbers_of_the_same_in_numpy():
    torch = pytest.importorskip("torch")
    m = network(0.5)
    parts = [torch.tensor(np.asarray(a), requires_grad=True) for a in (m.A, m.B, m.C, m.phi)]
    start = torch.ones(4, dtype=torch.float64)
    study = convergence(ContinuousRNN(*parts, tau=0.5), SINES, t=SPAN, history=start, dts=[0.125, 0.0625])
    plain = convergence(m, SINES, t=SPAN, history=np.ones(4), dts=[0.125, 0.0625])
    assert study.errors["dense"] == pytest.approx(plain.errors["dense"], rel=1e-12)
