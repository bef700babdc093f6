"""The standard RNN by its readouts (D8): torch's own, and the canonical RNN without W_s."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn import CanonicalRNN, run
from ode2rnn.core.systems.flat import Flat
from ode2rnn.discrete.standard import StandardRNN, StandardState

D, M, N = 4, 2, 11


def cell_of(seed: int = 0, activation: str = "tanh") -> StandardRNN:
    rng = np.random.default_rng(seed)
    return StandardRNN(
        0.5 * rng.standard_normal((D, D)), rng.standard_normal((D, M)), rng.standard_normal(D), 0.25, activation
    )


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_it_is_the_recursion_of_torch(nonlinearity: str) -> None:
    module = torch.nn.RNN(M, D, nonlinearity=nonlinearity).double()
    bias = module.bias_ih_l0 + module.bias_hh_l0
    cell = StandardRNN(module.weight_hh_l0, module.weight_ih_l0, bias, activation=nonlinearity)
    x, h0 = torch.randn(N, 3, M, dtype=torch.float64), torch.randn(3, D, dtype=torch.float64)
    torch.testing.assert_close(run(cell, x, h0).r, module(x, h0[None])[0], rtol=0, atol=1e-13)


def test_it_is_the_canonical_rnn_without_its_linear_memory() -> None:
    cell, x = cell_of(), np.random.default_rng(1).standard_normal((N, 3, M))
    by_states = CanonicalRNN(np.zeros((D, D)), cell.W_r, cell.W_x, cell.theta_s, 0.25)
    s0 = np.random.default_rng(2).standard_normal(D)
    np.testing.assert_allclose(run(cell, x, np.tanh(s0)).r, run(by_states, x, s0).r, rtol=0, atol=1e-14)


def test_its_tangent_is_the_complex_step() -> None:
    cell, rng = cell_of(), np.random.default_rng(3)
    h, dh = rng.standard_normal((5, 1, D)), rng.standard_normal((5, 3, D))
    x, dx = rng.standard_normal((5, 1, M)), rng.standard_normal((3, M))
    moved = np.tanh((h + 1e-30j * dh) @ cell.W_r.T + (x + 1e-30j * dx) @ cell.W_x.T + cell.theta_s).imag / 1e-30
    np.testing.assert_allclose(
        cell.step_jvp(StandardState(h), x, StandardState(dh), dx).h, moved, rtol=1e-14, atol=1e-15
    )
    flat = Flat(cell)
    J = flat.jacobian(h[0, 0], x[0, 0])
    eye = np.eye(D)
    columns = np.tanh((h[0] + 1e-30j * eye) @ cell.W_r.T + x[0] @ cell.W_x.T + cell.theta_s).imag / 1e-30
    np.testing.assert_allclose(J, columns.T, rtol=1e-14, atol=1e-15)
    assert flat.names == (("h", D),)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_its_cotangent_is_that_of_automatic_differentiation(batch: tuple[int, ...]) -> None:
    cell, rng = cell_of(), np.random.default_rng(4)
    h, x, bar = (rng.standard_normal((*batch, n)) for n in (D, M, D))
    before, x_bar, record = cell.step_vjp(StandardState(h), x, StandardState(bar))
    tensors = [torch.tensor(a, requires_grad=True) for a in (h, x, cell.W_r, cell.W_x, cell.theta_s)]
    other = StandardRNN(*tensors[2:])
    total = (torch.tensor(bar) * other.step(StandardState(tensors[0]), tensors[1]).h).sum()
    expected = torch.autograd.grad(total, tensors)
    for got, value in zip((before.h, x_bar, record.W_r, record.W_x, record.theta_s), expected, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-13)
    assert (type(record), record.dt) == (StandardRNN, 0.25)


def test_bad_arguments_are_refused_by_name() -> None:
    for given, says in (
        ({"W_r": np.zeros((2, 3))}, r"W_r: expected shape \(2, 2\)"),
        ({"W_x": np.zeros((3, 1))}, "W_x: expected shape"),
        ({"dt": 0.0}, "dt: expected a number > 0"),
        ({"activation": "tan"}, "did you mean 'tanh'"),
    ):
        with pytest.raises(ValueError, match=says):
            StandardRNN(**{"W_r": np.eye(2), "W_x": None, "theta_s": np.zeros(2), **given})
