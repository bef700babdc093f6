"""Samples of a right-hand side of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import AdditiveModel, Sampled, discretize, integrate, run, unroll
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.training.gradients.bptt import bptt

if not issubclass(AdditiveModel, Flow):
    pytest.skip("integrate takes no flows yet", allow_module_level=True)


def pendulum(t: float, s: Any, x: Any, *, damping: Any) -> Any:
    sin, join = (torch.sin, torch.stack) if torch.is_tensor(s) else (np.sin, np.stack)
    return join([s[..., 1], x[..., 0] - sin(s[..., 0]) - damping * s[..., 1]], -1)


FLOW = Flow(pendulum, 2, input_width=1, parameters={"damping": 0.3})
X = np.random.default_rng(0).standard_normal((8, 1))
METHODS = ["backward_euler", "euler", "rk4", "tsit5", "auto"]


@pytest.mark.parametrize("method", METHODS)
def test_a_tick_is_the_solution_with_the_input_held(method: str) -> None:
    fixed = {"dt": 0.1} if method in ("backward_euler", "euler", "rk4") else {"rtol": 1e-9, "atol": 1e-12}
    got = run(Sampled(FLOW, 0.2, method, substeps=2), X, [1.0, 0.0]).s
    s = np.array([1.0, 0.0])
    for n in range(8):
        s = integrate(FLOW, lambda t, n=n: X[n], t=(0.0, 0.2), history=s, method=method, **fixed).s[-1]
        np.testing.assert_allclose(got[n], s, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_tangent_of_a_tick_is_that_of_differences(method: str) -> None:
    flat = Flat(Sampled(FLOW, 0.2, method, substeps=2))
    S, h = np.random.default_rng(1).standard_normal((3, 2)), 1e-3
    moves = [flat.advance(S[:, None] + k * h * np.eye(2), X[0]) for k in (1, -1, 2, -2)]
    expected = (8 * (moves[0] - moves[1]) - (moves[2] - moves[3])) / (12 * h)
    np.testing.assert_allclose(flat.jacobian(S, X[0]).swapaxes(-1, -2), expected, rtol=0, atol=1e-7)


def test_the_tangent_by_a_fixed_step_is_exact() -> None:
    """The Jacobian of a step of rk4 against that of torch through the same formula."""

    def rk4(s: torch.Tensor) -> torch.Tensor:
        x, h = torch.tensor(X[0]), 0.2

        def f(s: torch.Tensor) -> torch.Tensor:
            return pendulum(0.0, s, x, damping=0.3)

        k1 = f(s)
        k2 = f(s + h / 3 * k1)
        k3 = f(s + h * (k2 - k1 / 3))
        k4 = f(s + h * (k1 - k2 + k3))
        return s + h * (k1 + 3 * k2 + 3 * k3 + k4) / 8

    flat, s = Flat(Sampled(FLOW, 0.2, "rk4")), np.array([0.7, -0.4])
    np.testing.assert_allclose(flat.advance(s, X[0]), rk4(torch.tensor(s)), rtol=1e-14)
    J = torch.autograd.functional.jacobian(rk4, torch.tensor(s))
    np.testing.assert_allclose(flat.jacobian(s, X[0]), J, rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_its_gradients_are_those_of_automatic_differentiation(method: str) -> None:
    of_r = np.random.default_rng(2).standard_normal((8, 2))
    s0 = np.array([1.0, 0.0])
    back = bptt(Sampled(FLOW, 0.2, method, rtol=1e-10), X, of_r, s0)
    damping = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    own = Sampled(Flow(pendulum, 2, input_width=1, parameters={"damping": damping}), 0.2, method, rtol=1e-10)
    inputs = [torch.tensor(v, requires_grad=True) for v in (X, s0)]
    (run(own, *inputs).r * torch.tensor(of_r)).sum().backward()
    np.testing.assert_allclose(back.gradients.weights()["damping"], damping.grad, rtol=1e-6)
    np.testing.assert_allclose(back.x_bar, inputs[0].grad, rtol=0, atol=1e-6)
    np.testing.assert_allclose(back.s0_bar, inputs[1].grad, rtol=0, atol=1e-6)


def test_a_delay_equation_of_ones_own_is_learned_too() -> None:
    def rate(t: float, s: Any, x: Any, past: Any, *, gain: Any) -> Any:
        warp = torch.tanh if torch.is_tensor(s) else np.tanh
        return -s + gain * warp(past[0]) + x

    flow = Flow(rate, 1, input_width=1, delays=[0.3], parameters={"gain": 0.8})
    of_r = np.random.default_rng(2).standard_normal((8, 1))
    gain = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    own = Flow(rate, 1, input_width=1, delays=[0.3], parameters={"gain": gain})
    for method in ("rk4", "spectral"):
        back = bptt(Sampled(flow, 0.3, method), X, of_r, [0.5])
        x = torch.tensor(X, requires_grad=True)
        gain.grad = None
        (
            run(Sampled(own, 0.3, method), x, torch.tensor([0.5], dtype=torch.float64)).r * torch.tensor(of_r)
        ).sum().backward()
        np.testing.assert_allclose(back.gradients.weights()["gain"], gain.grad, rtol=1e-6)
        np.testing.assert_allclose(back.x_bar, x.grad, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="expected a model without delays"):
        Flat(Sampled(flow, 0.3, "rk4"))
    assert run(unroll(Sampled(flow, 0.3, "rk4"), 3), X).s.shape == (8, 1)


def test_discretize_takes_a_flow_where_no_linear_part_is_needed() -> None:
    for scheme, method in (("backward_euler", "backward_euler"), ("euler", "euler")):
        cell = discretize(FLOW, 0.2, scheme)
        assert (type(cell), cell.method, cell.dt) == (Sampled, method, 0.2)
    with pytest.raises(ValueError, match=r"scheme: .* got 'tustin', which needs the linear part"):
        discretize(FLOW, 0.2, "tustin")
    with pytest.raises(ValueError, match="model: expected a rate that depends on time by its input alone"):
        Sampled(Flow(lambda t, s: -s * t, 2), 0.1)


def test_a_parameter_of_the_flow_is_one_of_the_samples() -> None:
    changed = Sampled(FLOW, 0.2, "rk4").parameter("damping")(0.9)
    assert changed.model.parameters["damping"] == 0.9
    assert changed.method == "rk4"
