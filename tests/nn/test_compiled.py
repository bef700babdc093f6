"""The compiled passes against their plain twins, at sizes that fill the registers and at sizes that do not."""

from __future__ import annotations

import pytest
import torch

from ode2rnn import ACTIVATIONS, Activation
from ode2rnn.kernels import plain
from ode2rnn.kernels.elementwise.codes import CODES
from ode2rnn.nn import CanonicalRNN, StandardRNN
from ode2rnn.nn.passes.compiled import simple as compiled

LAYERS = (StandardRNN, CanonicalRNN)
SIZES = [(40, 1, 8, 32), (20, 9, 32, 64), (7, 3, 33, 48), (30, 17, 16, 35), (5, 2, 64, 1), (150, 4, 1, 16)]


def results(layer: torch.nn.Module, x: torch.Tensor, hx: torch.Tensor) -> list[torch.Tensor]:
    """The outputs and every gradient of an objective of both."""
    x, hx = x.clone().requires_grad_(), hx.clone().requires_grad_()
    output, last = layer(x, hx)
    objective = (output * torch.linspace(-1, 1, output.numel(), dtype=x.dtype).view_as(output)).sum() + last.sum()
    return [output.detach(), last.detach(), *torch.autograd.grad(objective, [x, hx, *layer.parameters()])]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("nonlinearity", CODES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("layer_type", LAYERS)
def test_compiled_and_plain_agree(layer_type: type, dtype: torch.dtype, nonlinearity: str, size: tuple) -> None:
    ticks, batch, m, d = size
    torch.manual_seed(d)
    layer = layer_type(m, d, nonlinearity=nonlinearity, dtype=dtype)
    with torch.no_grad():  # contracting whatever the slope, so that both run through the same states
        layer.W_r.mul_(0.5)
    x, hx = torch.randn(ticks, batch, m, dtype=dtype), torch.randn(1, batch, d, dtype=dtype)
    assert compiled.fits(layer.activation, x, hx[0])
    fast = results(layer, x, hx)
    with plain():
        assert not compiled.fits(layer.activation, x, hx[0])
        slow = results(layer, x, hx)
    for a, b in zip(fast, slow, strict=True):
        scale = max(1.0, float(b.abs().max()))
        assert float((a - b).abs().max()) <= (1e-12 if dtype is torch.float64 else 1e-4) * scale


def test_the_kernels_take_what_they_can_and_nothing_else() -> None:
    G, x = ACTIVATIONS["tanh"], torch.zeros(3, 2, 1)
    own = Activation("tanh", torch_or_numpy_square, torch_or_numpy_square)
    assert compiled.fits(G, x, x[0])
    assert not compiled.fits(own, x, x[0])
    assert not compiled.fits(G, x.half(), x[0])
    assert not compiled.fits(G, x.to("meta"), x[0])
    assert not compiled.fits(G, x[:, :0], x[0, :0])


def torch_or_numpy_square(s: torch.Tensor) -> torch.Tensor:
    return s * s
