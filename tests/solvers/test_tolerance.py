"""Asking for another digit gives another digit: log error against log tolerance has a slope near one."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import B, Case, driven, driven_ode, fitted_order

from ode2rnn.solvers.methods import METHODS

ADAPTIVE = [name for name, method in METHODS.items() if method.adaptive]
# methods of order two and three are tried where they need no more than a few thousand steps
SMALLEST = {"bosh3": 1e-7, "fehlberg2": 1e-7, "adaptive_heun": 1e-6}


def errors(case: Case, method: str, tolerances: np.ndarray) -> np.ndarray:
    between = np.linspace(*case.t, 1001)
    return np.array([case.error(case.solve(method, rtol=r, atol=r), between) for r in tolerances])


def smooth_problem(method: str) -> Case:
    if method == "spectral":  # panels shorter than the delay, so that the tolerance decides
        return driven([(B, 40.0)], end=80.0)
    return driven_ode(6.0)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_error_is_proportional_to_the_tolerance(method: str) -> None:
    tolerances = 10.0 ** -np.arange(2, 1 - np.log10(SMALLEST.get(method, 1e-9)))
    slope = fitted_order(tolerances, errors(smooth_problem(method), method, tolerances), 1e-13)
    assert 0.8 < slope < 1.3


@pytest.mark.parametrize("method", ["tsit5", "spectral"])
def test_our_own_methods_stay_proportional_with_a_long_delay(method: str) -> None:
    case, tolerances = driven([(B, 10.0)], end=20.0), 10.0 ** -np.arange(2.0, 12.0)
    reached = errors(case, method, tolerances)
    assert 0.8 < fitted_order(tolerances, reached, 1e-13) < 1.3
    assert (reached < 5 * tolerances).all()


@pytest.mark.parametrize("method", [name for name in ADAPTIVE if METHODS[name].order > 3])
def test_short_delays_never_make_the_error_larger_than_the_tolerance_allows(method: str) -> None:
    case, tolerances = driven([(B, 0.5)], end=3.0), np.array([1e-2, 1e-4, 1e-6, 1e-8])
    assert (errors(case, method, tolerances) < 20 * tolerances).all()


def test_the_tolerance_holds_for_each_member_of_a_batch() -> None:
    """A quiet trajectory in the company of a wild one, and the other way round."""
    case = driven_ode(4.0)
    scales = np.array([1e-3, 1.0, 1e3])[:, None]
    for method in ("tsit5", "dopri5"):
        together = case.solve(method, x=None, history=scales * np.ones(3), rtol=1e-7, atol=1e-12)
        for i in range(3):
            alone = case.solve("DOP853", x=None, history=scales[i] * np.ones(3), rtol=1e-12, atol=1e-15)
            times = np.linspace(*case.t, 101)
            size = np.abs(alone(times)).max()
            assert np.abs(together(times)[:, i] - alone(times)).max() < 1e-5 * size
