"""The two passes over a sequence by compiled kernels: on the processor, in float32 or float64, registered activations.

Uses: D5, D8, B1, B2.  The twin of the passes in plain torch.  The kernels run the loop over time; the input terms
of all ticks at once are torch's.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ode2rnn import kernels
from ode2rnn.core.activations import Activation
from ode2rnn.kernels import door
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.kernels.products.packing import packed

TICK = 1e-4  # seconds, about, of a tick in plain torch with its gradients


def fits(activation: Activation, x: Tensor, start: Tensor, kernel: str = "standard_forward") -> bool:
    """Whether the kernels can run this, and it pays."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and len(start) > 0
        and type(x) in (Tensor, torch.nn.Parameter)
        and activation_code(activation) is not None
        and kernels.pays(kernel, TICK * len(x))
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
    """s[0 .. N-1], which the standard RNN does without, and r[0 .. N-1].

    Raises:
        ValueError: a weight or a start whose shape, precision or memory is not what x and the start ask for.
    """

    (ticks, batch, m), d, dtype = x.shape, start.shape[1], kind(x.dtype)
    first = door.array("start", start, (batch, d), dtype)
    terms = [("W_r", W_r, (d, d)), ("W_x", W_x, (d, m)), *([] if W_s is None else [("W_s", W_s, (d, d))])]
    r, into, *s = (door.array(name, W, shape, dtype) for name, W, shape in terms)
    given = torch.from_numpy(door.array("x", x, (ticks, batch, m), dtype)).flatten(0, 1)
    S = torch.from_numpy(door.empty((ticks, batch, d), dtype))
    torch.mm(given, torch.from_numpy(into).T, out=S.flatten(0, 1))
    if theta_s is not None:
        S += torch.from_numpy(door.array("theta_s", theta_s, (d,), dtype))
    code = activation_code(activation)
    if not s:
        kernels.standard_forward(code, packed(r, width(x.dtype)), first, S.numpy())
        return None, S
    readout = door.array("start", activation.value(torch.from_numpy(first)), (batch, d), dtype)
    R = door.empty((ticks, batch, d), dtype)
    W = packed(np.concatenate([s[0], r], axis=1), width(x.dtype))
    kernels.canonical_forward(code, W, np.concatenate([first, readout], axis=1), S.numpy(), R)
    return S, torch.from_numpy(R)


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

    code, shape, d, dtype = activation_code(activation), tuple(R.shape), R.shape[2], kind(R.dtype)
    psi = door.empty(shape, dtype)
    psi[:] = 0 if R_bar is None else door.array("gradient", R_bar, shape, dtype)
    r, W = door.array("r", R, shape, dtype), door.array("W_r", W_r, (d, d), dtype)
    if W_s is None:
        kernels.standard_backward(code, packed(W.T, width(R.dtype)), r, psi)
        return torch.from_numpy(psi)
    both = np.concatenate([door.array("W_s", W_s, (d, d), dtype), W], axis=1)
    partial = door.empty((0, *shape[1:]), dtype) if S_bar is None else door.array("gradient", S_bar, shape, dtype)
    kernels.canonical_backward(code, packed(both.T, width(R.dtype)), r, partial, psi)
    return torch.from_numpy(psi)


def outer(psi: Tensor, values: Tensor, first: Tensor | None = None) -> Tensor:
    """sum over n and the batch of psi[n] values[n]^T; of psi[n] values[n-1]^T where values[-1] is ``first``."""
    if first is None:
        return (values.flatten(0, 1).T @ psi.flatten(0, 1)).T
    rest = values[:-1].flatten(0, 1).T @ psi[1:].flatten(0, 1)
    return torch.addmm(rest, first.T, psi[0]).T


@cache
def kind(dtype: torch.dtype) -> np.dtype:
    """The dtype of NumPy that is torch's ``dtype``."""
    return torch.empty(0, dtype=dtype, device="cpu").numpy().dtype


@cache
def width(dtype: torch.dtype) -> int:
    """How many numbers a panel is wide."""

    return kernels.panel_width(kind(dtype))
