"""undiscretize and retime (D11): every canonical RNN with invertible W_s is a sampled delay equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.discrete.networks import random_network

from ode2rnn import AdditiveModel, CanonicalRNN, ContinuousRNN, Sampled, discretize, retime, run, undiscretize, unroll
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.standard import StandardRNN

MODEL = ("A", "B", "C", "phi")
CELL = ("W_s", "W_r", "W_x", "theta_s")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("dt", "steps"), [(0.001, 1), (0.1, 1), (0.1, 3), (2.0, 1), (100.0, 2)])
def test_undiscretize_gives_the_model_back(seed: int, dt: float, steps: int) -> None:
    model = random_network(seed, tau=steps * dt, activation="sigmoid")
    back = undiscretize(discretize(model, dt))
    for name in MODEL:
        np.testing.assert_allclose(getattr(back, name), getattr(model, name), rtol=0, atol=1e-12)
    assert back.tau == model.tau
    assert back.activation is model.activation


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lag", [1, 4])
def test_discretize_gives_any_cell_with_invertible_weights_back(seed: int, lag: int) -> None:
    rng = np.random.default_rng(seed)
    W_s = np.eye(3) + 0.3 * rng.standard_normal((3, 3))
    cell = CanonicalRNN(
        W_s, rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), rng.standard_normal(3), 0.2, lag=lag
    )
    back = discretize(undiscretize(cell), 0.2)
    assert isinstance(back, CanonicalRNN)
    assert back.lag == lag
    for name in CELL:
        np.testing.assert_allclose(getattr(back, name), getattr(cell, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("finer", [2, 5, 64])
def test_retime_there_and_back_gives_the_cell_back(finer: int) -> None:
    cell = discretize(random_network(0, tau=1.0), 1.0)
    assert isinstance(cell, CanonicalRNN)
    fine = retime(cell, 1.0 / finer)
    assert (fine.dt, fine.lag) == (1.0 / finer, finer)
    back = retime(fine, 1.0)
    assert back.lag == 1
    for name in CELL:
        np.testing.assert_allclose(getattr(back, name), getattr(cell, name), rtol=0, atol=1e-12)


def test_a_retimed_cell_is_the_one_that_discretize_makes_for_that_step() -> None:
    model = random_network(3, tau=0.6)
    retimed, made = retime(discretize(model, 0.6), 0.2), discretize(model, 0.2)  # type: ignore[arg-type]
    for name in CELL:
        np.testing.assert_allclose(getattr(retimed, name), getattr(made, name), rtol=0, atol=1e-12)


def test_a_retimed_cell_follows_the_same_equation_more_closely() -> None:
    cell = discretize(random_network(3, tau=1.0), 1.0)
    ends = []
    for n in (1, 2, 4, 8, 16, 32, 64):
        s = run(retime(cell, 1.0 / n), np.ones((4 * n, 2))).s  # type: ignore[arg-type]
        ends.append(s[-1])
    gaps = np.abs(np.diff(ends, axis=0)).max(axis=1)
    assert (gaps[1:] < 0.7 * gaps[:-1]).all()


def test_implicit_linear_of_an_ode_comes_back_as_the_equation_with_a_delay_of_one_step() -> None:
    ode = random_network(1)
    cell = discretize(ode, 0.3, "implicit_linear")
    back = undiscretize(cell)  # type: ignore[arg-type]
    assert back.tau == 0.3
    np.testing.assert_allclose(back.A, ode.A, rtol=0, atol=1e-12)
    x = np.random.default_rng(1).standard_normal((20, 2))
    np.testing.assert_allclose(run(discretize(back, 0.3), x).s, run(cell, x).s, rtol=0, atol=1e-13)


def test_a_cell_without_input_is_a_model_without_input() -> None:
    back = undiscretize(CanonicalRNN(0.5, 0.25, None, 1.0, dt=2.0))
    assert back.C is None
    np.testing.assert_array_equal([back.A[0, 0], back.B[0, 0], back.phi[0]], [-0.5, 0.25, 1.0])


def test_tensors_come_back_as_tensors_with_their_gradient() -> None:
    rng = np.random.default_rng(0)
    given = [torch.tensor(np.eye(2) + 0.1 * rng.standard_normal((2, 2)), requires_grad=True)]
    given += [torch.tensor(rng.standard_normal(n), requires_grad=True) for n in ((2, 2), (2, 1), (2,))]

    def model_of(*weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        model = undiscretize(CanonicalRNN(*weights, dt=0.5))
        return tuple(getattr(model, name) for name in MODEL)

    def retimed(*weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        cell = retime(CanonicalRNN(*weights, dt=0.5), 0.1)
        return tuple(getattr(cell, name) for name in CELL)

    assert torch.autograd.gradcheck(model_of, given, atol=1e-7)
    assert torch.autograd.gradcheck(retimed, given, atol=1e-7)


# refusals

SINGULAR = CanonicalRNN(np.eye(2), np.eye(2), None, np.zeros(2)).standard()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (SINGULAR, "W_s: expected an invertible matrix, got a singular one"),
        (CanonicalRNN(np.ones((2, 2)), np.eye(2), None, np.zeros(2)), "W_s: expected an invertible matrix"),
        (CanonicalRNN([[1, 1], [1, 1 + 1e-15]], np.eye(2), None, np.zeros(2)), "W_s: expected an invertible matrix"),
        (
            discretize(random_network(0, tau=0.1), 0.1, "tustin"),
            "cell: expected a CanonicalRNN or VanillaLSTM, got TappedRNN",
        ),
        (discretize(random_network(0), 0.1), "cell: expected a CanonicalRNN or VanillaLSTM, got TappedRNN"),
        (random_network(0), "cell: expected a CanonicalRNN or VanillaLSTM, got ContinuousRNN"),
        (None, "cell: expected a CanonicalRNN or VanillaLSTM, got NoneType$"),
    ],
)
def test_what_is_no_sampled_delay_equation_is_refused(cell: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        undiscretize(cell)
    with pytest.raises(ValueError, match=message):
        retime(cell, 0.1)


def test_weights_of_very_different_size_are_not_called_singular() -> None:
    back = undiscretize(CanonicalRNN(np.diag([1e-20, 0.5]), np.eye(2), None, np.zeros(2)))
    np.testing.assert_allclose(np.diag(back.A), [-1e20, -1.0], rtol=1e-15)


@pytest.mark.parametrize(
    ("dt", "message"),
    [
        (0.3, r"dt: expected a step that divides the delay 1, got 0\.3; the nearest that does is 0\.333"),
        (0.7, r"dt: expected a step that divides the delay 1, got 0\.7; the nearest that does is 0\.5 \(delay / 2\)"),
        (2.0, r"dt: .* the nearest that does is 1\.0 \(delay / 1\)"),
        (0.0, "dt: expected a number > 0, got 0"),
        (-1.0, "dt: expected a number > 0, got -1"),
        (float("nan"), "dt: expected finite numbers"),
    ],
)
def test_retime_refuses_a_step_that_does_not_divide_the_delay(dt: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        retime(CanonicalRNN(0.5, 1.0, None, 0.0), dt)


def test_a_step_at_which_the_equation_is_singular_is_refused() -> None:
    growing = undiscretize(CanonicalRNN(-1.0, 1.0, None, 0.0, dt=2.0))  # A = 1
    assert isinstance(growing, AdditiveModel)
    assert isinstance(growing, ContinuousRNN)
    with pytest.raises(ValueError, match="singular"):
        retime(CanonicalRNN(-1.0, 1.0, None, 0.0, dt=2.0), 1.0)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (StandardRNN(0.5, 1.0, 0.0), "a standard RNN has no W_s to invert"),
        (Sampled(ContinuousRNN(-1.0, 1.0, None, None), 0.5, "rk4"), "which knows its equation, cell.model"),
        (unroll(CanonicalRNN(0.5, 0.5, 1.0, 0.0), 3), "no other recursion is known to be the samples"),
    ],
)
def test_what_has_no_inverse_says_why(cell: System, why: str) -> None:
    for refused in (lambda: undiscretize(cell), lambda: retime(cell, 0.25)):
        with pytest.raises(ValueError, match=f"cell: expected a CanonicalRNN or VanillaLSTM, got .*{why}"):
            refused()
    with pytest.raises(ValueError, match=r"model: expected an AdditiveModel.*, which has ticks already"):
        discretize(cell, 0.5)
