"""The two passes over a sequence in plain torch: for every device, dtype and activation.

Uses: D5, D8, B1, B2.  The twin of the compiled passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ode2rnn.core.activations import Activation


def forward(
    activation: Activation,
    x: Tensor,
    start: Tensor,
    W_s: Tensor | None,
    W_r: Tensor,
    W_x: Tensor,
    theta_s: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """s[0 .. N-1] and r[0 .. N-1] from s[-1] = start; from r[-1] = start where W_s is None."""
    with torch.autocast(x.device.type, enabled=False):  # a recursion keeps the precision of its weights
        forcing = torch.nn.functional.linear(x, W_x, theta_s)
        s, r = start, start if W_s is None else activation.value(start)
        states, readouts = [], []
        for f in forcing:
            total = f + r @ W_r.T
            s = total if W_s is None else total + s @ W_s.T
            r = activation.value(s)
            states.append(s)
            readouts.append(r)
    return torch.stack(states), torch.stack(readouts)


def backward(
    activation: Activation,
    S: Tensor,
    R: Tensor,
    R_bar: Tensor | None,
    S_bar: Tensor | None,
    W_s: Tensor | None,
    W_r: Tensor,
) -> Tensor:
    """psi[0 .. N-1], the gradients in s[n], from the partial ones in r[n] and s[n] (None for zero)."""
    slopes = activation.slope(S)
    psi = torch.empty_like(S)
    for n in reversed(range(len(S))):
        chi = torch.zeros_like(S[n]) if R_bar is None else R_bar[n]
        if n + 1 < len(S):
            chi = chi + psi[n + 1] @ W_r  # B1
        torch.mul(chi, slopes[n], out=psi[n])  # B2
        if W_s is not None and n + 1 < len(S):
            psi[n] += psi[n + 1] @ W_s
        if S_bar is not None:
            psi[n] += S_bar[n]
    return psi


def outer(psi: Tensor, values: Tensor, first: Tensor | None = None) -> Tensor:
    """sum over n and the batch of psi[n] values[n]^T; of psi[n] values[n-1]^T where values[-1] is ``first`` (B3)."""
    if first is None:
        return psi.reshape(-1, psi.shape[-1]).T @ values.reshape(-1, values.shape[-1])
    total = psi[0].T @ first
    return total + outer(psi[1:], values[:-1]) if len(psi) > 1 else total
