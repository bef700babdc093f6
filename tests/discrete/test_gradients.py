"""Gradients through discretize and run, in float64, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.discrete.networks import random_network

from ode2rnn import SCHEMES, AdditiveModel, Circulant, ContinuousRNN, TappedRNN, discretize, run

STEP = 1e-5


def check_gradients(loss: Callable[..., torch.Tensor], given: dict[str, np.ndarray]) -> None:
    """Every component of d loss / d given against a central difference (error of order STEP^2)."""
    fixed = {name: torch.tensor(value) for name, value in given.items()}
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in given.items()}
    gradients = torch.autograd.grad(loss(**tensors), list(tensors.values()))
    for (name, value), gradient in zip(given.items(), gradients, strict=True):
        expected = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            ends = []
            for change in (STEP, -STEP):
                moved = value.copy()
                moved[index] += change
                ends.append(float(loss(**(fixed | {name: torch.tensor(moved)}))))
            expected[index] = (ends[0] - ends[1]) / (2 * STEP)
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-8, atol=1e-9, err_msg=name)
        assert np.abs(expected).max() > 1e-3  # the check sees this parameter


def parameters(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = random_network(seed, d=2, m=1)
    given: dict[str, Any] = {name: np.asarray(getattr(model, name)) for name in ("A", "B", "C", "phi")}
    return given | {"s0": rng.standard_normal((2, 2)), "x": rng.standard_normal((4, 2, 1))}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_gradients_of_a_run_are_those_of_central_differences(scheme: str, steps: int) -> None:
    dt = 0.4
    weights = torch.tensor(np.random.default_rng(1).standard_normal((4, 2, 2)))

    def loss(A: Any, B: Any, C: Any, phi: Any, s0: Any, x: Any) -> torch.Tensor:
        model = ContinuousRNN(A, B, C, phi, tau=steps * dt)
        traj = run(discretize(model, dt, scheme, 0.3 if scheme == "gbt" else None), x, s0)
        return (weights * traj.s).sum() + (traj.r**2).sum()

    check_gradients(loss, parameters(0))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradients_reach_the_kernel_of_a_circulant_term(scheme: str) -> None:
    def loss(kernel: Any, B: Any) -> torch.Tensor:
        model = AdditiveModel(state=[(Circulant(kernel), 0.0), (Circulant(0.3 * kernel), 0.2)], readout=[(B, 0.0)])
        cell = discretize(model, 0.2, scheme, 0.3 if scheme == "gbt" else None)
        return (run(cell, 5, torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64)).s ** 2).sum()

    rng = np.random.default_rng(2)
    check_gradients(loss, {"kernel": np.array([-1.0, 0.2, 0.1]), "B": 0.5 * rng.standard_normal((3, 3))})


@pytest.mark.parametrize("size", [0.5, 5.0])
def test_gradients_through_newtons_method_do_not_depend_on_its_iterations(size: float) -> None:
    # at 5 the implicit equation is far from a contraction
    def loss(W_s: Any, W_r: Any, W_x: Any, theta_s: Any, x: Any) -> torch.Tensor:
        cell = TappedRNN({1: W_s}, {0: W_r, 2: 0.1 * W_r}, {0: W_x, 1: 0.5 * W_x}, theta_s)
        return (run(cell, x).s ** 2).sum()

    rng = np.random.default_rng(3)
    given = {
        "W_s": 0.3 * rng.standard_normal((2, 2)),
        "W_r": -size * np.array([[1.0, 0.3], [-0.2, 1.0]]),
        "W_x": rng.standard_normal((2, 2)),
        "theta_s": rng.standard_normal(2),
        "x": rng.standard_normal((5, 2)),
    }
    check_gradients(loss, given)


def test_the_gradient_of_a_long_run_through_an_implicit_scheme_is_that_of_its_explicit_limit() -> None:
    # dt -> 0: backward and forward Euler have the same gradient, up to O(dt)
    gradients = []
    for scheme in ("backward_euler", "forward_euler", "tustin", "foh", "exponential"):
        given = {k: torch.tensor(v, requires_grad=k == "B") for k, v in parameters(4).items() if k not in ("s0", "x")}
        model = ContinuousRNN(**given)
        s = run(discretize(model, 2e-3, scheme), torch.ones(500, 1, dtype=torch.float64)).s[-1]
        gradients.append(torch.autograd.grad(s.sum(), given["B"])[0].numpy())
    for gradient in gradients[1:]:
        np.testing.assert_allclose(gradient, gradients[0], rtol=0, atol=2e-3 * np.abs(gradients[0]).max())
