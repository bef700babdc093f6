"""method="auto" takes the method that fits the equation."""

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, integrate, signals


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (ContinuousRNN(-1.0, 0.5, None, None, tau=0.5), "spectral"),
        (AdditiveModel(state=[(-1.0, 0.5)]), "spectral"),
        (ContinuousRNN(-1.0, 0.5, None, None), "taylor"),
        (ContinuousRNN(-1.0, 0.5, None, None, activation="softplus"), "tsit5"),
        (AdditiveModel(state=[(-1.0, 0.0)], readout=[(0.5, 0.0), (0.5, 1.0)]), "tsit5"),
        (ContinuousRNN(-1e6, 0.5, None, None), "Radau"),
        (ContinuousRNN(-1.0, -2e6, None, None, activation="identity"), "Radau"),
        (AdditiveModel(state=[(-1e6, 0.0)], readout=[(0.5, 0.0), (0.5, 1.0)]), "Radau"),
    ],
)
def test_auto_knows_delays_undelayed_readouts_and_stiffness(model, method):
    solution = integrate(model, t=(0.0, 2.0), history=1.0)
    assert solution.stats.method == method
    assert solution.stats.steps < 3000
    again = integrate(model, t=(0.0, 2.0), history=1.0, method="Radau", rtol=1e-9, atol=1e-11)
    times = np.linspace(0.0, 2.0, 31)
    assert np.abs(solution(times) - again(times)).max() < 2e-5


def test_a_long_run_is_not_a_stiff_one() -> None:
    # an implicit method would follow every wave of the input, too, at a far higher price a step
    model = ContinuousRNN([[-1.0, 0.2], [0.1, -1.2]], [[0.3, -0.8], [0.8, 0.2]], [[1.0], [0.0]], None)
    solution = integrate(model, signals.Sine(), t=np.linspace(0.0, 1e5, 11), history=[0.0, 0.0])
    assert solution.stats.method == "taylor"


def test_rates_far_beyond_those_of_the_input_are_stiff() -> None:
    model = ContinuousRNN(-1e7, 0.5, 1e7, None)
    solution = integrate(model, signals.Sine(), t=(0.0, 2.0), history=0.0)
    assert solution.stats.method == "Radau"
    assert abs(solution(2.0)[0] - np.sin(2.0)) < 1e-5
