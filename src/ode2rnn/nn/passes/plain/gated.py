"""An LSTM over a sequence in plain torch, which records it for its gradients: for every device and dtype.

Uses: L1 to L6, X1 to X3.  The twin of the compiled passes.  Row vectors: W v is v W^T here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from ode2rnn.nn.passes.gated_weights import Weights, order
from ode2rnn.nn.passes.observed import full_precision


def forward(x: Tensor, s: Tensor, v: Tensor, weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """v[0 .. N-1], s[N-1] and v[N-1]."""
    W_x, W_v, b, W_s, W_scr, W_qdr = stack(weights)
    d, V = s.shape[-1], []
    # all gates side by side: du, those of s[n-1] (cu, cs and cx), cr
    widths = [d, len(W_v) - 2 * d, d]
    with full_precision(x.device):
        for xi in windows(x, W_x).unbind(0):
            alpha_du, alpha, alpha_cr = linear(v, W_v, b).split(widths, 1)
            xi_du, xi_gates, xi_cr = xi.split(widths, 1)
            alpha = alpha + xi_gates
            if W_s is not None:
                alpha = alpha + peep(W_s, s)
            g_cu, g_cs, *g_cx = torch.sigmoid(alpha).split(d, 1)  # L1, L2, X2
            u = torch.tanh(alpha_du + (g_cx[0] * xi_du if g_cx else xi_du))  # L3
            s = g_cs * s + g_cu * u  # L4
            alpha_cr = alpha_cr + xi_cr
            if W_scr is not None:
                alpha_cr = alpha_cr + peep(W_scr, s)
            v = torch.sigmoid(alpha_cr) * torch.tanh(s)  # L5, L6
            if W_qdr is not None:
                v = v @ W_qdr.T  # X3
            V.append(v)
    return torch.stack(V), s, v


def stack(weights: Weights) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """W_x (L, k d, m), W_v (k d, d_v), b (k d,), W_s of cu, cs and cx, W_scr, and W_qdr (d_v, d), of k gates in order.

    Peepholes, of one kind, are (2 d or 3 d, d) and (d, d), or as diagonals (2 or 3, 1, d) and (1, 1, d); zeros stand
    for missing biases where there are others; None for what there is not.
    """
    gates = order(weights)
    W_x = torch.cat([W if W.ndim == 3 else W[None] for W in (weights[f"W_x{gate}"] for gate in gates)], 1)
    W_v = torch.cat([weights[f"W_v{gate}"] for gate in gates])
    biases = [weights[f"b_{gate}"] for gate in gates]
    b = W_s = W_scr = None
    if any(bias is not None for bias in biases):
        zeros = W_v.new_zeros(len(W_v) // len(gates))
        b = torch.cat([zeros if bias is None else bias for bias in biases])
    if weights["W_scr"] is not None:
        *some, W_scr = (W if W.ndim == 2 else W[None, None] for W in (weights[f"W_s{gate}"] for gate in gates[1:]))
        W_s = torch.cat(some)
    return W_x, W_v, b, W_s, W_scr, weights["W_qdr"]


def windows(x: Tensor, W_x: Tensor) -> Tensor:
    """xi[n] = sum over j of W_x[j] x[n+j], as many n as there are whole windows of x (X1)."""
    ticks = x.shape[0] - W_x.shape[0] + 1  # what is traced is told of another length
    xi = x[:ticks] @ W_x[0].T
    for j in range(1, len(W_x)):
        xi = xi + x[j : j + ticks] @ W_x[j].T
    return xi


def peep(W: Tensor, s: Tensor) -> Tensor:
    """What peepholes, matrices (k d, d) or diagonals (k, 1, d), make of the state (batch, d)."""
    return s @ W.T if W.ndim == 2 else (W * s).transpose(0, 1).flatten(1)
