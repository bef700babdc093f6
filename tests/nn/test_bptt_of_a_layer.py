"""The backward pass of the layers is the back-propagation through time of the cells they hold (B1 to B3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
