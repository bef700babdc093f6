"""The backward pass of the layers is the back-propagation through time of the cells they hold (B, L and X)."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from tests.nn.gated import LSTMS, M, make, numbers

from ode2rnn import bptt, kernels, nn


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kind", [nn.StandardRNN, nn.CanonicalRNN])
def test_gradients_of_a_layer_are_those_of_bptt(kind: type[nn.CanonicalRNN], compiled: bool) -> None:
    torch.manual_seed(0)
    layer = kind(3, 5).double()
    x = torch.randn(40, 3, dtype=torch.float64, requires_grad=True)
    r_bar = torch.randn(40, 5, dtype=torch.float64)
    if compiled:
        output, _ = layer(x)
        output.backward(r_bar)
    else:
        with kernels.plain():
            output, _ = layer(x)
            output.backward(r_bar)
    with torch.no_grad():
        gradients, x_bar, _ = bptt(layer.cell(), x.detach(), r_bar)
    scale = float(x_bar.abs().max())
    assert float((x.grad - x_bar).abs().max()) < 1e-12 * scale
    for letter in ("W_r", "W_x", "theta_s") + (("W_s",) if kind is nn.CanonicalRNN else ()):
        ours, theirs = getattr(layer, letter).grad, getattr(gradients, letter)
        np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), rtol=1e-11, atol=1e-12 * scale)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", LSTMS)
def test_gradients_of_an_lstm_are_those_of_bptt(name: str, compiled: bool) -> None:
    torch.manual_seed(0)
    layer = make(name)
    x = numbers(40, 2, M).requires_grad_()
    v_bar = numbers(40, 2, layer.output_size, seed=1)
    with contextlib.nullcontext() if compiled else kernels.plain():
        layer(x)[0].backward(v_bar)
    with torch.no_grad():
        gradients, x_bar, _ = bptt(layer.cell(), x.detach(), v_bar)
    scale = float(x_bar.abs().max())
    assert float((x.grad - x_bar).abs().max()) < 1e-12 * scale
    for letter in layer.letters:
        ours, theirs = getattr(layer, letter), getattr(gradients, letter)
        if ours is None:
            assert theirs is None
        else:
            np.testing.assert_allclose(ours.grad.numpy(), np.asarray(theirs), rtol=1e-11, atol=1e-12 * scale)
