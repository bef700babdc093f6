"""Stability over two parameters is that of every single model of the grid."""

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, discretize
from ode2rnn.analysis import Sampling, characteristic_roots, discrete_roots, equilibrium, stability_chart

LOOP = ContinuousRNN(-1.0, -2.0, 1.0, None, tau=1.0)
W = np.array([[0.5, -2.0], [2.0, 0.5]])


def test_the_chart_of_delayed_inhibition_has_its_hopf_curve():
    w = np.array([-3.0, -2.0, -1.5])
    chart = stability_chart(LOOP, ("B[0, 0]", w), ("tau", np.linspace(0.3, 3.0, 271)))
    curve = np.concatenate(chart.boundary())
    np.testing.assert_allclose(curve[:, 0], w)
    np.testing.assert_allclose(curve[:, 1], np.arccos(1 / w) / np.sqrt(w**2 - 1), atol=1e-4)
    assert chart.limit == 0
    assert chart.unknown == 0


def test_every_value_is_the_rightmost_root_of_its_model():
    rng = np.random.default_rng(0)
    A, B, D = rng.normal(size=(3, 2, 2))
    model = AdditiveModel(state=[(A - 2 * np.eye(2), 0.0), (D, 0.3)], readout=[(2 * B, 1.0)], phi=[0.3, -0.2])
    gains, taus = np.linspace(-2, 2, 21), np.linspace(0.31, 3.0, 4)
    chart = stability_chart(model, ("gain", gains), ("tau[1]", taus))
    assert chart.unknown == 0
    for k, gain in enumerate(gains):
        for n, tau in enumerate(taus):
            own = model.parameter("gain")(gain).parameter("tau[1]")(tau)
            assert np.abs(own.settled().rate(0.0, chart.rest[k, n])).max() < 1e-12
            assert chart.values[k, n] == pytest.approx(characteristic_roots(own, chart.rest[k, n])[0].real, abs=1e-9)


@pytest.mark.parametrize("scheme", ["backward_euler", "forward_euler", "exponential", "tustin"])
def test_every_modulus_is_the_largest_multiplier_of_its_cell(scheme):
    dts, gains = np.array([0.05, 0.1, 0.25, 0.5, 1.0]), np.array([0.5, 1.0, 2.0])
    model = ContinuousRNN(-np.eye(2), W, None, [0.1, 0.2], tau=1.0)
    chart = stability_chart(model, ("dT", dts), ("gain", gains), scheme)
    for k, dt in enumerate(dts):
        for n, gain in enumerate(gains):
            own = model.parameter("gain")(gain)
            largest = abs(discrete_roots(discretize(own, dt, scheme), chart.rest[k, n])[0])
            assert chart.values[k, n] == pytest.approx(largest, abs=1e-11)


def test_tied_to_the_step_the_flow_loses_stability_at_the_exact_step():
    flow = ContinuousRNN(-np.eye(2), W, None, None)
    dts = np.linspace(0.1, 0.6, 101)
    chart = stability_chart(flow, ("gain", [0.9, 1.0]), ("dT", dts), Sampling(delay="tied"))
    # dT* = 2 (1 - Re w) / (|w|^2 - 1)
    exact = [2 * (1 - 0.5 * g) / (4.25 * g * g - 1) for g in (0.9, 1.0)]
    np.testing.assert_allclose(np.concatenate(chart.boundary())[:, 1], exact, atol=1e-4)
    late = stability_chart(flow, ("gain", [0.9, 1.0]), ("dT", dts), "implicit_linear")
    np.testing.assert_allclose(late.values, chart.values, rtol=1e-13)


def test_a_long_memory_takes_the_same_value_by_another_way():
    chart = stability_chart(LOOP, ("gain", [1.0]), ("dT", [0.002, 0.02]), "backward_euler")
    for value, dt in zip(chart.values[0], (0.002, 0.02), strict=True):
        assert value == pytest.approx(abs(discrete_roots(discretize(LOOP, dt))[0]), rel=1e-9)


def test_the_equilibrium_is_followed_and_where_there_is_none_the_chart_says_so():
    # s' = s - s G(s) has none: with the gain 0 a constant drive is left
    model = ContinuousRNN(0.0, -1.0, None, 0.5)
    chart = stability_chart(model, ("gain", [0.25, 0.75, 1.0, 2.0]), ("phi[0]", [0.5]))
    assert np.isnan(chart.values[:, 0]).tolist() == [True, False, False, False]
    assert chart.unknown == 1
    assert not chart.stable[0, 0]
    np.testing.assert_allclose(chart.rest[1:, 0, 0], np.arctanh(0.5 / np.array([0.75, 1.0, 2.0])), rtol=1e-10)


def test_names_reach_every_number_of_a_model():
    rng = np.random.default_rng(1)
    A, D, B = rng.normal(size=(3, 2, 2))
    C = rng.normal(size=(2, 3))
    model = AdditiveModel(state=[(A, 0.0), (D, 0.5)], readout=[(B, 0.5)], input=[(C, 0.0)], phi=[1.0, 2.0])
    assert model.parameter("state[1][0, 1]")(7.0).state[1].matrix[0, 1] == 7
    assert model.parameter("A[1,0]")(7.0).state[0].matrix[1, 0] == 7
    assert model.parameter("C[0, 2]")(7.0).input[0].matrix[0, 2] == 7
    assert model.parameter("phi[1]")(7.0).phi.tolist() == [1, 7]
    moved = model.parameter("tau")(2.0)
    assert moved.delays == (2.0,)
    assert moved.state[0].delay == 0
    np.testing.assert_allclose(model.parameter("gain")(-1.0).readout[0].matrix, -B)
    assert isinstance(LOOP.parameter("tau")(0.0), ContinuousRNN)
    assert equilibrium(LOOP.parameter("phi[0]")(1.0)) > 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: stability_chart(LOOP, ("tua", [1.0]), ("gain", [1.0])), "parameter: expected one of 'tau'"),
        (lambda: stability_chart(LOOP, ("B[0, 1]", [1.0]), ("gain", [1.0])), "indices that the model has"),
        (lambda: stability_chart(LOOP, ("tau", [1.0]), ("tau", [1.0])), "another parameter"),
        (lambda: stability_chart(LOOP, ("tau", [1.0, 0.5]), ("gain", [1.0])), "first, values: expected increasing"),
        (lambda: stability_chart(LOOP, "tau", ("gain", [1.0])), "first: expected a pair"),
        (lambda: stability_chart(LOOP, ("dT", [0.5]), ("gain", [1.0])), "sampling: expected a Sampling"),
        (lambda: stability_chart(LOOP, ("tau", [1.0]), ("gain", [1.0]), "exponential"), "dt: expected the step"),
        (lambda: stability_chart(LOOP, ("dT", [0.3]), ("gain", [1.0]), "exponential"), "divides the delay"),
        (lambda: stability_chart(LOOP, ("tau", [-1.0]), ("gain", [1.0])), "expected a number >= 0"),
        (lambda: stability_chart("loop", ("tau", [1.0]), ("gain", [1.0])), "model: expected"),
        (lambda: LOOP.parameter("tau[1]"), "indices that the model has"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_an_interrupt_leaves_the_rest_of_the_chart_empty(monkeypatch):
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    real = Sampling.of
    monkeypatch.setattr(Sampling, "of", interrupted)
    flow = ContinuousRNN(-np.eye(2), W, None, None)
    chart = stability_chart(flow, ("gain", [0.5, 1.0]), ("dT", [0.1, 0.2]), "implicit_linear")
    assert np.isfinite(chart.values[0]).all()
    assert chart.unknown == 2
