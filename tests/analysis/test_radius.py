"""The largest multiplier of a long memory, against all eigenvalues of its companion matrix."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, discretize
from ode2rnn.analysis import discrete_roots, spectral_radius
from ode2rnn.kernels import plain


@pytest.mark.parametrize("scheme", ["backward_euler", "forward_euler", "tustin", "exponential", "foh"])
@pytest.mark.parametrize("gain", [0.0, 1.0, 5.0])
def test_the_radius_is_the_largest_of_all_multipliers(scheme, gain):
    rng = np.random.default_rng(5)
    A, B = -np.diag(rng.uniform(0.8, 1.2, 2)), gain * rng.normal(size=(2, 2))
    for ticks in (1, 10, 60, 150):
        cell = discretize(ContinuousRNN(A, B, None, None, tau=0.7), 0.7 / ticks, scheme)
        s = np.array([0.1, -0.4])
        assert spectral_radius(cell, s) == pytest.approx(abs(discrete_roots(cell, s)[0]), abs=1e-12)
        with plain():
            assert spectral_radius(cell, s) == pytest.approx(abs(discrete_roots(cell, s)[0]), rel=1e-15)


def test_several_delays_and_a_map_that_leaves_the_range():
    several = AdditiveModel(state=[(-1.0, 0.0), (-0.5, 0.4)], readout=[(-1.0, 1.0), (0.5, 0.0)])
    cell = discretize(several, 0.01)
    assert spectral_radius(cell) == pytest.approx(abs(discrete_roots(cell)[0]), abs=1e-12)
    # over the whole memory: 40^200, and almost 0
    for A in (-2050.0, -49.0):
        cell = discretize(ContinuousRNN(A, 1e-3, None, None, tau=4.0), 0.02, "forward_euler")
        assert spectral_radius(cell) == pytest.approx(abs(discrete_roots(cell)[0]), rel=1e-9)


def test_a_memory_of_thousands_of_ticks_follows_the_rightmost_root():
    lag = ContinuousRNN(0.0, -1.0, None, None, tau=1.0, activation="identity")
    growth = [np.log(spectral_radius(discretize(lag, 1 / n, "tustin"))) * n for n in (1000, 2000, 4000)]
    assert growth[-1] == pytest.approx(-0.31813150520, abs=1e-6)
    assert (growth[0] + 0.31813150520476413) / (growth[1] + 0.31813150520476413) == pytest.approx(4, rel=0.05)
