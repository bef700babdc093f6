"""The declared order of every scheme, by fitted slope over at least four halvings; R3 and R8 for delays.

Sample n of a recursion that starts from s[-1] = s(0) is s((n + 1) dt), and x[n] = x((n + 1) dt).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tests.discrete.networks import random_network

from ode2rnn import SCHEMES, AdditiveModel, ContinuousRNN, discretize, integrate, run

CASES = [(name, 0.3 if name == "gbt" else None, scheme.order) for name, scheme in SCHEMES.items()]
CASES += [("gbt", 0.5, 2)]
STEPS = 0.5 ** np.arange(5, 10)


def order_of(
    model: AdditiveModel,
    steps: np.ndarray,
    scheme: str,
    alpha: float | None,
    exact: Callable[[np.ndarray], np.ndarray],
    x: Callable[[np.ndarray], np.ndarray] | None = None,
    end: float = 2.0,
) -> float:
    """Slope of log error, the largest over all samples, against log dt; the past before 0 is ``exact`` too."""
    errors = []
    for dt in steps:
        cell: Any = discretize(model, dt, scheme, alpha)
        times = dt * np.arange(1, round(end / dt) + 1)

        def past(n: int, dt: float = dt) -> np.ndarray:
            return exact(np.array([(n + 1) * dt]))[0]

        def input_past(n: int, dt: float = dt) -> np.ndarray:
            return x(np.array([(n + 1) * dt]))[0]  # type: ignore[misc]

        memory = cell.remember(past, None if x is None else input_past)
        traj = run(cell, len(times) if x is None else x(times), memory)
        errors.append(np.abs(traj.s - exact(times)).max())
    assert len(steps) >= 5
    assert min(errors) > 1e-11  # nowhere near round-off, so every point counts
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@pytest.fixture(scope="module")
def forced() -> tuple[ContinuousRNN, Callable, Callable]:
    """A nonlinear ordinary equation under a smooth input, its solution by DOP853, and the input."""
    model = random_network(0, d=3, m=2)

    def x(t: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(2 * t + 0.5), np.cos(t)], axis=-1)

    def rate(t: float, s: np.ndarray) -> np.ndarray:
        return model.A @ s + model.B @ np.tanh(s) + model.C @ x(np.array(t)) + model.phi

    solution = solve_ivp(rate, (0, 2), [0.5, -0.5, 1.0], "DOP853", rtol=1e-13, atol=1e-15, dense_output=True)

    def exact(t: np.ndarray) -> np.ndarray:
        # a cell that reaches back before 0 reads s(0): only what is at lag 1 matters here
        return solution.sol(np.maximum(t, 0.0)).T

    return model, exact, x


@pytest.fixture(scope="module")
def autonomous() -> tuple[ContinuousRNN, Callable]:
    """The same without input."""
    model = random_network(2, d=3)
    free = ContinuousRNN(model.A, model.B, None, model.phi, activation="sigmoid")
    solution = solve_ivp(
        lambda t, s: free.rate(t, s), (0, 2), [2.0, -1.0, 0.5], "DOP853", rtol=1e-13, atol=1e-15, dense_output=True
    )
    return free, lambda t: solution.sol(np.maximum(t, 0.0)).T


@pytest.mark.parametrize(("scheme", "alpha", "order"), CASES)
def test_a_scheme_has_its_order_on_an_ordinary_equation_with_a_smooth_input(
    scheme: str, alpha: float | None, order: int, forced: tuple
) -> None:
    model, exact, x = forced
    assert order_of(model, STEPS, scheme, alpha, exact, x) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("scheme", "alpha", "order"), CASES)
def test_a_scheme_has_its_order_on_an_ordinary_equation_without_input(
    scheme: str, alpha: float | None, order: int, autonomous: tuple
) -> None:
    model, exact = autonomous
    assert order_of(model, STEPS, scheme, alpha, exact) == pytest.approx(order, abs=0.1)


ROOT = -0.3149230578454061  # of lambda = -1 + e^{-lambda} / 2
R3 = {
    "readout, cosine": (
        ContinuousRNN(0.0, -np.pi / 2, None, None, tau=1.0, activation="identity"),
        lambda t: np.cos(np.pi * t / 2)[:, None],
    ),
    "state, cosine": (
        AdditiveModel(state=[(-np.pi / 2, 1.0)]),
        lambda t: np.cos(np.pi * t / 2)[:, None],
    ),
    "readout, exponential": (
        ContinuousRNN(-1.0, 0.5, None, None, tau=1.0, activation="identity"),
        lambda t: np.exp(ROOT * t)[:, None],
    ),
    "state, exponential": (
        AdditiveModel(state=[(-1.0, 0.0), (0.5, 1.0)]),
        lambda t: np.exp(ROOT * t)[:, None],
    ),
}


@pytest.mark.parametrize("problem", R3)
@pytest.mark.parametrize(("scheme", "alpha", "order"), CASES)
def test_a_scheme_has_its_order_on_the_delay_equations_r3(
    scheme: str, alpha: float | None, order: int, problem: str
) -> None:
    model, exact = R3[problem]
    assert order_of(model, 0.5 ** np.arange(4, 9), scheme, alpha, exact, end=4.0) == pytest.approx(order, abs=0.2)


@pytest.fixture(scope="module", params=[(1.0, -0.02660295035), (2.0, 1.042134042713)], ids=["tau 1", "tau 2"])
def r8(request: pytest.FixtureRequest) -> tuple[ContinuousRNN, Callable]:
    """s' = -s - 2 tanh(s(t - tau)) with history 0.5, its solution by the method of steps, and s(10)."""
    tau, value = request.param
    model = ContinuousRNN(-1.0, -2.0, None, None, tau)
    solution = integrate(model, t=(0.0, 10.0), history=0.5, rtol=1e-11, atol=1e-13)
    assert abs(float(solution(10.0)[0]) - value) < 1e-10
    return model, lambda t: np.where(t[:, None] > 0, solution(np.maximum(t, 0.0)), 0.5)


@pytest.mark.parametrize(("scheme", "alpha", "order"), CASES)
def test_a_scheme_has_its_order_on_the_nonlinear_delay_equation_r8(
    scheme: str, alpha: float | None, order: int, r8: tuple
) -> None:
    model, exact = r8
    steps = 1 / np.array([10, 20, 40, 80, 160])
    assert order_of(model, steps, scheme, alpha, exact, end=10.0) == pytest.approx(order, abs=0.2)
