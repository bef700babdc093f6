"""Gradients through integrate in torch, against central differences of the NumPy solution."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import Activation, AdditiveModel, Circulant, ContinuousRNN, Trajectory, integrate
from ode2rnn.core.signals import Cubic, Held, Linear

RNG = np.random.default_rng(11)
VALUES = {
    "A": np.array([[-1.0, 0.3], [-0.2, -0.7]]),
    "B": np.array([[0.8, -1.1], [0.9, 0.4]]),
    "C": np.array([[1.0], [0.5]]),
    "phi": np.array([0.1, -0.2]),
    "s0": np.array([0.3, -0.4]),
    "history": np.array([0.7, 1.1]),
    "x": np.array([0.1, 0.5, -0.3, 0.8, 0.2]),
}
DIRECTIONS = {name: RNG.normal(size=value.shape) for name, value in VALUES.items()}
WEIGHTS = RNG.normal(size=(5, 2))
SAMPLES = np.linspace(0, 2, 5)
KNOTS = np.array([-1.0, 0.3, 0.8, 1.5, 2.0])
SIGNALS = {"held": Held, "linear": Linear, "cubic": Cubic}
METHODS: dict[str, dict[str, Any]] = {
    "spectral": {"rtol": 1e-11, "atol": 1e-13},
    "tsit5": {"rtol": 1e-11, "atol": 1e-13},
    "backward_euler": {"dt": 1 / 16},
    "dopri5": {"rtol": 1e-10, "atol": 1e-12},
    "rk4": {"dt": 1 / 64},
    "implicit_adams": {"dt": 1 / 64},
}


def solve(values: dict[str, Any], tau: float, signal: str, history: str, method: str, **options: Any) -> Trajectory:
    """A driven two-unit network; its history is a constant, or a function with a parameter."""
    past = values["history"]
    if history == "function":
        frequency = values["history"]

        def past(t: Any) -> Any:
            if isinstance(frequency, np.ndarray):
                return np.cos(np.asarray(t)[..., None] * frequency)
            return torch.cos(torch.as_tensor(t, dtype=frequency.dtype)[..., None] * frequency)

    model = ContinuousRNN(*(values[name] for name in ("A", "B", "C", "phi")), tau=tau)
    x = SIGNALS[signal](KNOTS, values["x"])
    given = METHODS.get(method, {}) | options
    return integrate(model, x, t=SAMPLES, history=past, s0=values["s0"], method=method, **given)


@lru_cache
def differences(tau: float, signal: str, history: str, method: str) -> dict[str, float]:
    """The derivative of sum(WEIGHTS s^2) along DIRECTIONS, one argument at a time, by central differences."""
    tight = {} if method == "backward_euler" else {"rtol": 1e-13, "atol": 1e-14}
    result = {}
    for name, direction in DIRECTIONS.items():
        sides = [
            (
                WEIGHTS
                * solve(VALUES | {name: VALUES[name] + h * direction}, tau, signal, history, method, **tight).s ** 2
            )
            for h in (1e-5, -1e-5)
        ]
        result[name] = float((sides[0] - sides[1]).sum()) / 2e-5
    return result


def gradients(
    tau: float, signal: str, history: str, method: str, dtype: torch.dtype = torch.float64, **options: Any
) -> dict[str, np.ndarray]:
    values = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in VALUES.items()}
    solution = solve(values, tau, signal, history, method, **options)
    (torch.tensor(WEIGHTS, dtype=dtype) * solution.s**2).sum().backward()
    return {n: np.zeros(v.shape) if v.grad is None else v.grad.numpy() for n, v in values.items()}


def cases() -> list[Any]:
    runs = [
        (tau, signal, history, method, adjoint)
        for tau, histories in ((0.0, ["constant"]), (0.5, ["constant", "function"]))
        for signal in SIGNALS
        for history in histories
        for method in METHODS
        for adjoint in (False, True)
        if not (adjoint and (tau > 0 or method not in ("dopri5", "rk4", "implicit_adams")))
    ]
    return [pytest.param(*run, id="-".join(map(str, run))) for run in runs]


@pytest.mark.parametrize(("tau", "signal", "history", "method", "adjoint"), cases())
def test_gradients_are_central_differences(tau: float, signal: str, history: str, method: str, adjoint: bool) -> None:
    reference = method if method == "backward_euler" else "spectral" if tau else "tsit5"
    expected = differences(tau, signal, history, reference)
    reached = gradients(tau, signal, history, method, **({"adjoint": True} if adjoint else {}))
    for name, direction in DIRECTIONS.items():
        assert (reached[name] * direction).sum() == pytest.approx(expected[name], rel=1e-6, abs=1e-8), name
    assert abs(expected["x"]) > 1e-3
    assert (abs(expected["history"]) > 1e-3) == (tau > 0)  # s0 is given: only a delay looks at the history


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "bosh3", "rk4"])
def test_the_adjoint_equation_gives_the_gradient_of_the_solver(method: str) -> None:
    rtol = 1e-7 if method == "bosh3" else 1e-9
    given = {"dt": 1 / 64} if method == "rk4" else {"rtol": rtol, "atol": rtol}
    through, adjoint = (gradients(0.0, "linear", "constant", method, adjoint=a, **given) for a in (False, True))
    for name in VALUES:
        np.testing.assert_allclose(adjoint[name], through[name], rtol=0, atol=20 * given.get("rtol", 1e-9))


def test_the_adjoint_equation_counts_a_shared_tensor_once_for_each_use() -> None:
    def gradient(adjoint: bool) -> torch.Tensor:
        W = torch.tensor([[-0.5, 0.4], [-0.3, -0.6]], dtype=torch.float64, requires_grad=True)
        kernel = torch.tensor([0.1, -0.2], dtype=torch.float64, requires_grad=True)
        model = AdditiveModel([(W, 0.0)], [(W @ W, 0.0)], phi=2 * W[0])
        ring = AdditiveModel([(Circulant(kernel), 0.0)], [(Circulant(kernel), 0.0)], phi=kernel)
        total = torch.zeros(())
        for network in (model, ring):
            solution = integrate(
                network, t=SAMPLES, history=[0.3, 0.1], method="dopri5", rtol=1e-10, atol=1e-12, adjoint=adjoint
            )
            total = total + (solution.s**2).sum()
        return torch.cat([g.ravel() for g in torch.autograd.grad(total, (W, kernel))])

    torch.testing.assert_close(gradient(True), gradient(False), rtol=1e-8, atol=1e-8)


class Drive(torch.nn.Module):
    """x(t) = weight sin t."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.7], dtype=torch.float64))

    def forward(self, t: Any) -> torch.Tensor:
        return self.weight * torch.sin(torch.as_tensor(t, dtype=torch.float64))[..., None]


def driven_cell(x: Any, activation: Any = "tanh", **options: Any) -> torch.Tensor:
    model = ContinuousRNN(torch.tensor([[-1.0]], dtype=torch.float64), 0.5, 1.0, None, activation=activation)
    return integrate(model, x, t=SAMPLES, history=0.1, method="dopri5", rtol=1e-10, atol=1e-12, **options).s


def test_an_input_that_is_a_module_has_a_gradient_by_the_adjoint_too() -> None:
    gradients = []
    for adjoint in (False, True):
        drive = Drive()
        driven_cell(drive, adjoint=adjoint).sum().backward()
        gradients.append(float(drive.weight.grad))
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-8)
    assert abs(gradients[0]) > 0.1


def test_the_adjoint_refuses_tensors_that_it_cannot_see() -> None:
    drive, slope = Drive(), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match="adjoint: the input depends on tensors"):
        driven_cell(lambda t: drive(t), adjoint=True)
    swish = Activation("swish", lambda s: s * _sigmoid(s, slope), lambda s: 1 + 0 * s)
    with pytest.raises(ValueError, match="adjoint: the activation depends on tensors"):
        driven_cell(drive, activation=swish, adjoint=True)
    assert driven_cell(lambda t: drive(t)).requires_grad  # through the solver it can


def _sigmoid(s: Any, slope: torch.Tensor) -> Any:
    if isinstance(s, np.ndarray):
        return 1 / (1 + np.exp(-slope.item() * s))
    return torch.sigmoid(slope.to(s.dtype) * s)


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_has_gradients_too(method: str) -> None:
    given = {} if "dt" in METHODS[method] else {"rtol": 1e-5, "atol": 1e-6}
    double, single = (
        gradients(0.5, "linear", "function", method, dtype, **given) for dtype in (torch.float64, torch.float32)
    )
    for name in VALUES:
        np.testing.assert_allclose(single[name], double[name], rtol=0, atol=2e-4)


def test_a_tensor_anywhere_makes_tensors() -> None:
    model = ContinuousRNN(-np.eye(2), VALUES["B"], None, None, tau=0.5)
    history = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    solution = integrate(model, t=SAMPLES, history=history)
    assert torch.autograd.grad(solution.s.sum(), history)[0].abs().min() > 0
    with torch.no_grad():
        assert not integrate(model, t=SAMPLES, history=history).s.requires_grad
        assert not integrate(model, t=SAMPLES, history=history, method="dopri5").s.requires_grad


def test_a_gradient_reaches_back_through_a_history_that_is_a_trajectory() -> None:
    B = torch.tensor(VALUES["B"], requires_grad=True)
    model = ContinuousRNN(-torch.eye(2, dtype=torch.float64), B, None, None, tau=0.5)
    first = integrate(model, t=(0, 1), history=[0.3, -0.4], rtol=1e-11)
    second = integrate(model, t=(1, 2), history=first, rtol=1e-11)
    whole = integrate(model, t=(0, 2), history=[0.3, -0.4], rtol=1e-11)
    split, at_once = (torch.autograd.grad(s(2.0).sum(), B)[0] for s in (second, whole))
    torch.testing.assert_close(split, at_once, rtol=1e-10, atol=1e-12)
