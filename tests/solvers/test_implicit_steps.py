"""Backward Euler of a flow: a step is found wherever it exists, and its derivative is that of the implicit function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ode2rnn import Flow, Sampled, SimulationError, bptt, integrate, run
from ode2rnn.core.systems.flat import Flat

CURRENT = 0.5


def neuron(t: Any, s: Any, *, current: Any = CURRENT) -> Any:
    v, w = s[..., 0], s[..., 1]
    rates = [v - v**3 / 3 - w + current, 0.08 * (v + 0.7 - 0.8 * w)]
    return torch.stack(rates, -1) if isinstance(s, torch.Tensor) else np.stack(rates, axis=-1)


def step_of_the_neuron(s: np.ndarray, h: float) -> np.ndarray:
    """w eliminated, what is left is monotone in v for h < 1: a root between brackets, no Newton's method."""

    def w_of(v: float) -> float:
        return (s[1] + h * 0.08 * (v + 0.7)) / (1 + h * 0.08 * 0.8)

    v = brentq(lambda v: s[0] + h * (v - v**3 / 3 - w_of(v) + CURRENT) - v, -30, 30, xtol=1e-14, rtol=1e-14)
    return np.array([v, w_of(v)])


STARTS = np.stack(np.meshgrid(np.linspace(-6, 6, 13), np.linspace(-4, 4, 9)), axis=-1).reshape((-1, 2))
FLOW = Flow(neuron, 2)


@pytest.mark.parametrize("dt", [0.1, 0.5, 0.95])
def test_a_step_of_the_neuron_of_fitzhugh_and_nagumo_is_found_from_everywhere(dt: float) -> None:
    expected = np.array([step_of_the_neuron(s, dt) for s in STARTS])
    together = integrate(FLOW, t=[0.0, dt], history=STARTS, method="backward_euler", dt=dt).s[-1]
    np.testing.assert_allclose(together, expected, rtol=1e-12, atol=1e-12)
    for k in range(0, len(STARTS), 17):  # alone, and as a tensor
        one = integrate(FLOW, t=[0.0, dt], history=STARTS[k], method="backward_euler", dt=dt).s[-1]
        np.testing.assert_allclose(one, together[k], rtol=0, atol=1e-13)
        own = integrate(FLOW, t=[0.0, dt], history=torch.tensor(STARTS[k]), method="backward_euler", dt=dt).s[-1]
        np.testing.assert_allclose(own, together[k], rtol=0, atol=1e-12)


def test_the_derivative_of_a_step_is_that_of_the_implicit_function() -> None:
    h, s = 0.5, np.array([-2.1, 3.0])  # plain Newton steps grow from here
    sampled = Sampled(FLOW, h)
    after = run(sampled, 1, s).s[0]
    J = np.array([[1 - after[0] ** 2, -1.0], [0.08, -0.064]])
    expected = np.linalg.inv(np.eye(2) - h * J)
    np.testing.assert_allclose(Flat(sampled).jacobian(s, np.zeros(0)), expected, atol=1e-9)
    np.testing.assert_allclose(bptt(sampled, 1, np.array([[1.0, 0.0]]), s).s0_bar, expected[0], atol=1e-11)


STIFF = {
    "atan": (lambda s: -1e3 * np.arctan(s), 40.0),  # Newton's method alone overshoots for ever
    "fifth power": (lambda s: -(s**5), 30.0),
    "root": (lambda s: -np.sqrt(s), 3.0),  # no number for negative states
    "exponential": (lambda s: -np.exp(s), 12.0),
}


@pytest.mark.parametrize("width", [1, 80])
@pytest.mark.parametrize("name", STIFF)
def test_a_monotone_rate_has_a_step_of_every_length(name: str, width: int) -> None:
    f, start = STIFF[name]
    flow = Flow(lambda t, s: f(s), width)
    for h in (0.5, 5.0):
        if name == "root" and h == 5.0:
            expected = ((-h + np.sqrt(h**2 + 4 * start)) / 2) ** 2
        else:
            low = 0.0 if name == "root" else -50.0
            expected = brentq(lambda S, h=h: start + h * f(S) - S, low, 50.0, xtol=1e-14)
        with np.errstate(all="ignore"):
            found = integrate(flow, t=[0.0, h], history=np.full(width, start), method="backward_euler", dt=h).s[-1]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_a_step_that_does_not_exist_names_the_state_the_time_and_what_to_do() -> None:
    flow = Flow(lambda t, s: s**2, 1)
    # S = s + h S^2 has a solution where 4 h s <= 1: S = (1 - sqrt(1 - 4 h s)) / 2 h
    found = integrate(flow, t=[0.0, 0.5], history=[[0.4], [-3.0]], method="backward_euler", dt=0.5).s[-1]
    np.testing.assert_allclose(found[:, 0], 1 - np.sqrt(1 - 2 * np.array([0.4, -3.0])), rtol=1e-12)
    says = r"at t = 0\.5: Newton's method found no solution .* s\[n-1\] = \[1\.\] of trajectory \(1,\) .* smaller dt"
    with pytest.raises(SimulationError, match=says):
        integrate(flow, t=[0.0, 0.5], history=[[0.4], [1.0]], method="backward_euler", dt=0.5)
    with pytest.raises(
        SimulationError, match=r"at tick 2 of 9 \(t = 1\): within .* Newton's .* s\[n-1\] = .* smaller dt"
    ) as told:
        run(Sampled(flow, 0.5), 9, [0.32])
    assert told.value.trajectory is not None
    assert len(told.value.trajectory.s) == 2


def test_a_fold_is_passed_to_the_branch_that_is_left() -> None:
    # S - h (S - S^3) for h = 4 folds; every start has a solution, as a cubic has
    flow, h = Flow(lambda t, s: s - s**3, 1), 4.0
    starts = np.linspace(-3, 3, 61)[:, None]
    S = integrate(flow, t=[0.0, h], history=starts, method="backward_euler", dt=h).s[-1]
    np.testing.assert_allclose(starts + h * (S - S**3), S, atol=1e-11)
