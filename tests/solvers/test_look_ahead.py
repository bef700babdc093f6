"""Input terms with delays < 0: x(t + a) is the signal shifted by a, for every method, input and engine (C6)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from tests.solvers.test_every_method import settings

from ode2rnn import AdditiveModel, Sampled, analysis, discretize, integrate, kernels
from ode2rnn.core.signals import Analytic, Cubic, Held, Linear, Signal, Sine
from ode2rnn.solvers.methods import METHODS, Method

AHEAD = 0.3
RNG = np.random.default_rng(4)
A, B, C, PHI = -np.eye(2) + 0.2 * RNG.normal(size=(2, 2)), RNG.normal(size=(2, 2)), RNG.normal(size=(2, 1)), [0.1, -0.2]
TIMES = np.linspace(0.0, 2.0, 9)
KNOTS, X = np.array([-1.0, 0.2, 0.55, 1.1, 1.7, 2.1, 3.0]), RNG.normal(size=7)


def wave(t: Any) -> Any:
    return np.sin(3.0 * t) + 0.2 * t


def ramp(t: Any) -> Any:
    return np.abs(t - 1.0)


# each as it is and shifted by a: the second is the first at t + a
INPUTS: dict[str, Callable[[float], Any]] = {
    "held": lambda a: Held(KNOTS - a, X),
    "held before": lambda a: Held(KNOTS - a, X, kind="previous"),
    "linear": lambda a: Linear(KNOTS - a, X),
    "cubic": lambda a: Cubic(KNOTS - a, X),
    "sine": lambda a: Sine(1.5, 2.0, 0.4 + 2.0 * a),
    "sum": lambda a: Sine(1.5, 2.0, 0.4 + 2.0 * a) + Linear(KNOTS - a, X) + 0.3,
    "analytic": lambda a: Analytic(lambda t: ramp(t + a), knots=[1.0 - a]),
    "function": lambda a: lambda t: wave(t + a),
}


def network(tau: float, *inputs: tuple[Any, float]) -> AdditiveModel:
    return AdditiveModel([(A, 0.0)], [(B, tau)], inputs, PHI)


def takes(name: str, tau: float, label: str) -> bool:
    """Whether the method solves this equation with this input."""
    if name == "taylor":
        return not tau and label not in ("analytic", "function")
    return name != "spectral" or tau > 0


EVERY = [
    pytest.param(method, tau, label, compiled, id=f"{name}-{tau}-{label}-{'compiled' if compiled else 'plain'}")
    for name, method in METHODS.items()
    for tau in (0.0, 0.5)
    for label in INPUTS
    for compiled in ((True, False) if method.family == "own" or name == "rk4" else (False,))
    if takes(name, tau, label)
]


@pytest.mark.parametrize(("method", "tau", "label", "compiled"), EVERY)
def test_a_look_ahead_is_the_shifted_signal(method: Method, tau: float, label: str, compiled: bool) -> None:
    given = {"t": TIMES, "history": [0.3, -0.4], "method": method.name, **settings(method)}
    with nullcontext() if compiled else kernels.plain():
        found = integrate(network(tau, (C, -AHEAD)), INPUTS[label](0.0), **given)
        want = integrate(network(tau, (C, 0.0)), INPUTS[label](AHEAD), **given)
    np.testing.assert_allclose(found.s, want.s, rtol=0, atol=1e-10)
    assert found.stats.breaking_points == want.stats.breaking_points
    x = INPUTS[label](0.0)
    np.testing.assert_array_equal(np.ravel(found.x), np.ravel([x(t) for t in TIMES]))  # the input itself, unshifted


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_looks_back_and_ahead_at_once_are_those_of_scipy(tau: float) -> None:
    """Until tau the readout is that of the history, so that scipy can solve either equation there."""
    terms = [(C, -AHEAD), (2.0 * C[::-1], 0.0), (-C, 0.2)]
    start, x = np.array([0.3, -0.4]), Sine(1.5, 2.0, 0.4)

    def rate(t: float, s: np.ndarray) -> np.ndarray:
        driven = sum(matrix[:, 0] * 1.5 * np.sin(2.0 * (t - delay) + 0.4) for matrix, delay in terms)
        return A @ s + B @ np.tanh(start if tau else s) + driven + PHI

    end = tau or 2.0
    exact = solve_ivp(rate, (0.0, end), start, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    found = integrate(network(tau, *terms), x, t=(0.0, end), history=start, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.s[-1], exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.name != "taylor"], ids=lambda m: m.name)
def test_a_short_pulse_is_met_before_it_comes(method: Method) -> None:
    """s' = x(t + 0.3), x a pulse on (50, 50.002]: s rises from 49.7 on, to 0.002."""
    pulse = Held([0.0, 50.0, 50.002, 60.0], [0.0, 0.0, 1.0, 0.0])
    model = AdditiveModel(input=[(1.0, -AHEAD)])
    given = {"t": (48.0, 51.0), "dt": 1 / 16} if not method.adaptive else {"t": (0.0, 52.0)}
    solution = integrate(model, pulse, history=0.0, method=method.name, **given)
    times = np.array([49.0, 49.69, 49.701, 49.703, 50.5])
    np.testing.assert_allclose(solution(times).ravel(), [0.0, 0.0, 0.001, 0.002, 0.002], rtol=0, atol=1e-11)
    assert solution.stats.breaking_points == 2


def test_a_series_must_reach_as_far_as_the_looks() -> None:
    def solve(first: float, last: float, *delays: float) -> Any:
        series = Linear([first, last], [0.0, 1.0])
        return integrate(network(0.5, *((C, delay) for delay in delays)), series, t=(0.0, 2.0), history=0.0 * C[:, 0])

    assert solve(-0.4, 2.3, -AHEAD, 0.4).success
    with pytest.raises(ValueError, match=r"x: Linear is defined on \[0, 2\], but is needed on \[0, 2\.3\]"):
        solve(0.0, 2.0, -AHEAD)
    with pytest.raises(ValueError, match=r"x: Linear is defined on \[-0\.3, 2\.3\], but is needed on \[-0\.4, 2\.3\]"):
        solve(-0.3, 2.3, -AHEAD, 0.4)
    assert solve(0.0, 2.3, -AHEAD).x.shape[-1] == 1
    with pytest.raises(ValueError, match=r"but is needed on \[0, 2\.3\]"):  # the trajectory keeps x(0), too
        solve(0.3, 2.3, -AHEAD)


@pytest.mark.parametrize("given", [{"method": "rk4", "dt": 1 / 64}, {"method": "tsit5", "rtol": 1e-9}, {}], ids=str)
@pytest.mark.parametrize("label", ["held", "sum", "sine"])
def test_an_ensemble_is_its_members(label: str, given: dict[str, Any]) -> None:
    """Many trajectories and many models side by side."""
    models = [network(0.0, (scale * C, -AHEAD), (C[::-1], 0.2)) for scale in (1.0, 0.5, -1.0)]
    starts, x = RNG.normal(size=(64, 2)), INPUTS[label](0.0)
    together = integrate(models[0], x, t=TIMES, history=starts, **given).s
    several = integrate(models, x, t=TIMES, history=starts[:3], **given).s
    with kernels.plain():
        for k in (0, 31, 63):
            alone = integrate(models[0], x, t=TIMES, history=starts[k], **given).s
            np.testing.assert_allclose(together[:, k], alone, rtol=0, atol=2e-6 if not given else 1e-8)
        for k, model in enumerate(models):
            alone = integrate(model, x, t=TIMES, history=starts[k], **given).s
            np.testing.assert_allclose(several[:, k], alone, rtol=0, atol=2e-6 if not given else 1e-8)


@pytest.mark.parametrize(("name", "adjoint"), [
    *((name, False) for name in ("spectral", "tsit5", "backward_euler", "dopri5", "rk4")),
    *((name, True) for name in ("dopri5", "rk4")),
])  # fmt: skip
@pytest.mark.parametrize("label", [Held, Linear, Cubic])
def test_gradients_reach_the_series_and_the_matrix(label: type[Signal], name: str, adjoint: bool) -> None:
    tau = 0.5 if name == "spectral" else 0.0
    given = settings(METHODS[name], rtol=1e-9) | {"t": TIMES, "history": [0.3, -0.4], "method": name}
    found = []
    for shift in (0.0, AHEAD):
        matrix, x = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (C, X))
        model = network(tau, (matrix, shift - AHEAD))
        s = integrate(model, label(KNOTS - shift, x), adjoint=adjoint, **given).s
        found.append(torch.autograd.grad((s * torch.arange(1.0, 3.0)).square().sum(), (matrix, x)))
    for a, b in zip(*found, strict=True):
        assert b.abs().max() > 1e-2
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)


def test_states_and_readouts_do_not_look_ahead() -> None:
    for kind in ("state", "readout"):
        with pytest.raises(ValueError, match=rf"{kind}\[0\] delay: expected a number >= 0, got -0\.3"):
            AdditiveModel(**{kind: [(A, -AHEAD)]})
    with pytest.raises(ValueError, match=r"input: expected distinct delays, got \[-0\.3, -0\.3\]"):
        network(0.0, (C, -AHEAD), (C, -AHEAD))
    model = network(0.5, (C, -AHEAD), (C, 0.2))
    assert (model.delays, model.input_delays) == ((0.5,), (-AHEAD, 0.2))


def test_a_sampled_model_refuses_to_look_ahead_and_says_how_to_shift() -> None:
    model = network(0.5, (C, -AHEAD), (C, 0.2))
    said = r"model: expected input delays >= 0, since a tick knows no later input, got -0\.3; add 0\.3 to every input"
    with pytest.raises(ValueError, match=said):
        discretize(model, 0.1)
    with pytest.raises(ValueError, match=said):
        analysis.convergence(model, Sine(), t=(0.0, 1.0), history=[0.0, 0.0], dts=[0.1, 0.05])
    with pytest.raises(ValueError, match=r"input terms without delay.*shift the input series"):
        Sampled(network(0.0, (C, -AHEAD)), 0.1)
    shifted = network(0.5, (C, 0.0), (C, 0.2 + AHEAD))  # what the message says
    given = {"t": TIMES, "history": [0.3, -0.4], "rtol": 1e-9}
    found = integrate(shifted, INPUTS["linear"](AHEAD), **given)
    np.testing.assert_allclose(found.s, integrate(model, INPUTS["linear"](0.0), **given).s, rtol=0, atol=1e-9)
    assert discretize(shifted, 0.1).W_x.keys() == {0, 5}


def test_a_fixed_step_method_converges_in_its_order() -> None:
    model = network(0.0, (C, -AHEAD))
    study = analysis.convergence(
        model, Sine(), t=(0.0, 2.0), history=[0.3, -0.4], dts=0.1 * 0.5 ** np.arange(6), method="heun2"
    )
    assert study.order["final"] == pytest.approx(2.0, abs=0.1)
