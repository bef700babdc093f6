"""method="auto" takes the method that fits the equation."""

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, integrate


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (ContinuousRNN(-1.0, 0.5, None, None, tau=0.5), "spectral"),
        (AdditiveModel(state=[(-1.0, 0.5)]), "spectral"),
        (ContinuousRNN(-1.0, 0.5, None, None), "tsit5"),
        (AdditiveModel(state=[(-1.0, 0.0)], readout=[(0.5, 0.0), (0.5, 1.0)]), "tsit5"),
        (ContinuousRNN(-1e6, 0.5, None, None), "Radau"),
        (ContinuousRNN(-1.0, -2e4, None, None, activation="identity"), "Radau"),
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
