"""A recursion over a sequence in plain torch, which records it for its gradients: for every device, dtype, activation.

Uses: D5, D8.  The twin of the compiled passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ode2rnn.core.activations import Activation
from ode2rnn.nn.passes.observed import full_precision


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
    with full_precision(x.device):
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
