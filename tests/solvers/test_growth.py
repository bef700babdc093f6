"""Growing modes of A: a panel too long for them would look smooth, and be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn import AdditiveModel, integrate, kernels


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("rtol", [1e-2, 1e-6, 1e-10])
def test_a_growing_mode_is_followed_at_every_tolerance(rtol: float, compiled: bool) -> None:
    model = AdditiveModel(state=[([[3.0, 1.0], [0.0, -1.0]], 0.0)])
    times = np.linspace(0.0, 100.0, 41)
    exact = np.exp(3.0 * times)
    if compiled:
        grown = integrate(model, t=times, history=[1.0, 0.0], method="spectral", rtol=rtol, atol=rtol).s[:, 0]
    else:
        with kernels.plain():
            grown = integrate(model, t=times, history=[1.0, 0.0], method="spectral", rtol=rtol, atol=rtol).s[:, 0]
    # an error made at time a grows as the solution does: the relative errors of the steps add up
    assert np.abs(grown / exact - 1.0).max() < 100 * rtol


def test_a_fast_growth_that_is_never_excited_costs_no_memory() -> None:
    model = AdditiveModel(state=[([[1e12, 0.0], [0.0, -1.0]], 0.0)])
    solution = integrate(model, t=(0.0, 10.0), history=[0.0, 1.0], method="spectral")
    np.testing.assert_allclose(solution(10.0), [0.0, np.exp(-10.0)], rtol=1e-6)
