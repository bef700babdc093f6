"""A gradient that cannot flow is refused, wherever it is lost; what has none to lose is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import ContinuousRNN, Flow, Map, Sampled, bptt, integrate, run

LOST = "gradients flow; .* is lost on the way"


def leaf(value: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def by_float(t: Any, s: Any, *, k: Any) -> Any:
    return -float(k) * s


def by_detach(t: Any, s: Any, *, k: Any) -> Any:
    return -(k.detach() if torch.is_tensor(k) else k) * s


@pytest.mark.parametrize("rate", [by_float, by_detach])
def test_a_rate_that_makes_a_number_of_its_parameter_has_no_gradient(rate: Callable[..., Any]) -> None:
    flow = Flow(rate, 1, parameters={"k": 0.7})
    assert run(Sampled(flow, 0.1), 3, [1.0]).s.shape == (3, 1)  # without gradients nothing is wrong
    for method in ("backward_euler", "rk4", "tsit5"):
        with pytest.raises(ValueError, match=f"f: .* {LOST}"):
            bptt(Sampled(flow, 0.1, method), 3, np.ones((3, 1)), [1.0])
    with pytest.raises(ValueError, match=r"the parameter 'k' changes it"):
        Flow(rate, 1, parameters={"k": leaf(0.7)})
    with pytest.raises(ValueError, match=LOST):
        Map(lambda s, *, k: float(k) * s, 1, parameters={"k": leaf(0.7)})


def test_a_state_an_input_or_a_past_that_loses_its_gradient_is_named() -> None:
    start = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    one = Flow(lambda t, s: -s.detach() if torch.is_tensor(s) else -s, 1)
    with pytest.raises(ValueError, match=f"model: .* the state changes it.* {LOST[-20:]}"):
        integrate(one, t=[0.0, 1.0], history=start)
    late = Flow(lambda t, s, x, past: -s + (past[0].detach() if torch.is_tensor(s) else past[0]), 1, delays=[0.5])
    with pytest.raises(ValueError, match=r"s\(t - 0\.5\) changes it"):
        integrate(late, t=[0.0, 1.0], history=start)
    driven = Flow(lambda t, s, x: -s + (x.detach() if torch.is_tensor(x) else x), 1, input_width=1)
    with pytest.raises(ValueError, match="the input changes it"):
        bptt(Sampled(driven, 0.1), np.ones((3, 1)), np.ones((3, 1)))
    half = Flow(lambda t, s: -torch.stack([s[0].detach(), s[1]]) if torch.is_tensor(s) else -s, 2)
    with pytest.raises(ValueError, match="the state changes it"):
        integrate(half, t=[0.0, 1.0], history=torch.ones(2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_that_are_zero_by_right_are_taken(dtype: torch.dtype) -> None:
    def rate(t: Any, s: Any, *, k: Any, unused: Any) -> Any:
        return k * torch.relu(s - 5) - s  # the threshold is not met, so that k does not matter

    k = leaf(0.7, dtype)
    flow = Flow(rate, 1, parameters={"k": k, "unused": leaf(1.0, dtype)})
    start = torch.tensor([1.0], dtype=dtype, requires_grad=True)
    end = integrate(flow, t=[0.0, 1.0], history=start, rtol=1e-6).s[-1]
    found = torch.autograd.grad(end.sum(), [k, start])
    np.testing.assert_allclose([float(v) for v in found], [0.0, np.exp(-1)], atol=1e-5)


def test_no_gradient_flows_to_a_delay_a_time_or_a_step() -> None:
    tau = leaf(1.0)
    with pytest.raises(ValueError, match=r"delays\[0\]: expected numbers, got a tensor that asks for a gradient"):
        Flow(lambda t, s, x, past: -past[0], 1, delays=[tau])
    with pytest.raises(ValueError, match="asks for a gradient"):
        ContinuousRNN(-1.0, 0.5, None, 0.0, tau=tau)
    flow = Flow(lambda t, s: -s, 1)
    with pytest.raises(ValueError, match="t: expected numbers, got a tensor that asks for a gradient"):
        integrate(flow, t=torch.tensor([0.0, 1.0], requires_grad=True), history=1.0)
    with pytest.raises(ValueError, match=r"dt: .* asks for a gradient"):
        Sampled(flow, leaf(0.1))
