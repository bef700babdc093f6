"""The two passes over a sequence by compiled kernels: on the processor, in float32 or float64, registered activations.

Uses: D5, D8, B1, B2.  The twin of the passes in plain torch.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from ode2rnn.core.activations import Activation
from ode2rnn.kernels import compiled
from ode2rnn.kernels.elementwise.codes import activation_code


@cache
def _installed() -> bool:
    return find_spec("numba") is not None


def fits(activation: Activation, x: Tensor, start: Tensor) -> bool:
    """Whether the kernels can run this."""
    return (
        compiled()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and len(start) > 0
        and type(x) in (Tensor, torch.nn.Parameter)
        and activation_code(activation) is not None
        and not torch.compiler.is_compiling()
        and _installed()
    )


def forward(
    activation: Activation,
    x: Tensor,
    start: Tensor,
    W_s: Tensor | None,
    W_r: Tensor,
    W_x: Tensor,
    theta_s: Tensor | None,
) -> tuple[Tensor | None, Tensor]:
    """s[0 .. N-1], which the standard RNN does without, and r[0 .. N-1]."""
    from ode2rnn.kernels.layers import recurrence

    (ticks, batch, _), d = x.shape, len(W_r)
    code, theta = activation_code(activation), x.new_zeros(d) if theta_s is None else theta_s
    R = torch.empty(ticks, batch, d, dtype=x.dtype)
    scratch = np.empty((batch, width(x.dtype)), kind(x.dtype))
    if W_s is None:
        recurrence.standard_forward(code, *_numpy(pack(W_r), pack(W_x), theta, x, start), scratch, R.numpy())
        return None, R
    W = pack(torch.cat([W_s, W_r], 1))
    memory = torch.cat([start, activation.value(start)], 1)
    S = torch.empty_like(R)
    recurrence.canonical_forward(code, *_numpy(W, pack(W_x), theta, x, memory), scratch, S.numpy(), R.numpy())
    return S, R


def backward(
    activation: Activation,
    S: Tensor | None,
    R: Tensor,
    R_bar: Tensor | None,
    S_bar: Tensor | None,
    W_s: Tensor | None,
    W_r: Tensor,
) -> Tensor:
    """psi[0 .. N-1], the gradients in s[n], from the partial ones in r[n] and s[n] (None for zero)."""
    from ode2rnn.kernels.layers import recurrence

    code, (_, batch, d) = activation_code(activation), R.shape
    psi = torch.zeros_like(R) if R_bar is None else torch.empty_like(R).copy_(R_bar)
    scratch = np.empty((batch, width(R.dtype)), kind(R.dtype))
    if W_s is None:
        recurrence.standard_backward(code, *_numpy(pack(W_r.T), R), scratch, psi.numpy())
        return psi
    both = np.empty((batch, 2 * d), scratch.dtype)
    partial = R.new_empty(0, batch, d) if S_bar is None else S_bar
    W = pack(torch.cat([W_s, W_r], 1).T)
    recurrence.canonical_backward(code, *_numpy(W, R, partial), both, scratch, psi.numpy())
    return psi


def outer(psi: Tensor, values: Tensor, first: Tensor | None = None) -> Tensor:
    """sum over n and the batch of psi[n] values[n]^T; of psi[n] values[n-1]^T where values[-1] is ``first``."""
    from ode2rnn.kernels.products.tile import add_outer

    panel, d, k = width(psi.dtype), psi.shape[-1], values.shape[-1]
    parts = [(psi, values)] if first is None else [(psi[:1], first[None]), (psi[1:], values[:-1])]
    pairs = [(left.reshape(-1, d), right.reshape(-1, k)) for left, right in parts]
    if k % panel:
        return torch.stack([left.T @ right for left, right in pairs]).sum(0)
    total = psi.new_zeros(d, k)
    for left, right in pairs:
        add_outer(*_numpy(left, right), panel, total.numpy())
    return total


def pack(W: Tensor) -> Tensor:
    """W (m, k) in panels, (panels, k, width of a panel), as the kernels take it."""
    (m, k), panel = W.shape, width(W.dtype)
    panels = -(-m // panel)
    if m % panel:
        W = torch.nn.functional.pad(W, (0, 0, 0, panels * panel - m))
    return W.reshape(panels, panel, k).transpose(1, 2)


@cache
def kind(dtype: torch.dtype) -> np.dtype:
    """The dtype of NumPy that is torch's ``dtype``."""
    return torch.empty(0, dtype=dtype).numpy().dtype


@cache
def width(dtype: torch.dtype) -> int:
    """How many numbers a panel is wide."""
    from ode2rnn.kernels.products.tile import panel_width

    return panel_width(kind(dtype))


def _numpy(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]
