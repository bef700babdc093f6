"""The two passes of an LSTM over a sequence in plain torch: for every device and dtype.

Uses: L1 to L11, X1 to X7.  The twin of the compiled passes.  Row vectors: W v is v W^T here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ode2rnn.nn.passes.gated_weights import Gradients, Weights, by_letter, stack


def forward(
    x: Tensor, s: Tensor, v: Tensor, weights: Weights, keep: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """v[0 .. N-1], s[N-1], v[N-1], and what the backward pass needs if there will be one (``keep``).

    That is s[-1 .. N-1] and at every tick u, the gates and xi_du.
    """
    W_x, W_v, b, W_s, W_scr, W_qdr = stack(weights)
    d, k = s.shape[-1], len(W_v)
    external = k == 5 * d
    with torch.autocast(x.device.type, enabled=False):  # a recursion keeps the precision of its weights
        xi = windows(x, W_x)
        if b is not None and not external:
            xi = xi + b
        V, S, G = [], [s], []
        for xi_n in xi:
            alpha = v @ W_v.T
            if external:
                alpha = alpha if b is None else alpha + b
                alpha[:, d:] += xi_n[:, : k - d]
            else:
                alpha = alpha + xi_n
            if W_s is not None:
                alpha[:, d : k - d] += peep(W_s, s)
            gates = torch.sigmoid(alpha[:, d : k - d])  # L1, L2
            u = alpha[:, :d]
            if external:
                u = u + gates[:, 2 * d :] * xi_n[:, k - d :]  # X2
            u = torch.tanh(u)  # L3
            s = gates[:, d : 2 * d] * s + gates[:, :d] * u  # L4
            alpha_cr = alpha[:, k - d :]
            if W_scr is not None:
                alpha_cr = alpha_cr + peep(W_scr, s)
            g_cr = torch.sigmoid(alpha_cr)  # L5
            v = g_cr * torch.tanh(s)  # L6
            if W_qdr is not None:
                v = v @ W_qdr.T  # X3
            V.append(v)
            if keep:
                S.append(s)
                G.append(torch.cat([u, gates, g_cr, xi_n[:, k - d :] if external else xi_n[:, :0]], 1))
        return torch.stack(V), s.clone(), v.clone(), (torch.stack(S), torch.stack(G)) if keep else ()


def backward(
    x: Tensor,
    v: Tensor,
    V: Tensor,
    kept: tuple[Tensor, ...],
    weights: Weights,
    bars: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of x, s[-1], v[-1] and the weights, each where it is needed, from those of the results (bars)."""
    W_x, W_v, _, W_s, W_scr, W_qdr = stack(weights)
    (S, G), (V_bar, s_bar, v_bar), d, k = kept, bars, kept[0].shape[-1], len(W_v)
    external = k == 5 * d
    Z, chis, ticks = torch.empty_like(G), torch.empty_like(V), len(V)
    s_bar = torch.zeros_like(S[0]) if s_bar is None else s_bar  # through the states from the future
    v_bar = torch.zeros_like(v) if v_bar is None else v_bar  # through the readouts from the future
    for n in reversed(range(ticks)):
        s_before, r = S[n], torch.tanh(S[n + 1])
        u, g_cu, g_cs, *others = G[n].split(d, 1)
        g_cr = others[1] if external else others[0]
        chi = v_bar if V_bar is None else v_bar + V_bar[n]  # L7
        chis[n] = chi
        q_bar = chi if W_qdr is None else chi @ W_qdr  # X4
        z_cr = q_bar * r * g_cr * (1 - g_cr)  # L8
        psi = s_bar + q_bar * g_cr * (1 - r * r)
        if W_scr is not None:
            psi = psi + peep_back(W_scr, z_cr)  # L9
        z_cu, z_cs = psi * u * g_cu * (1 - g_cu), psi * s_before * g_cs * (1 - g_cs)  # L10
        z_du = psi * g_cu * (1 - u * u)
        z = [z_du, z_cu, z_cs, z_cr]
        if external:
            g_cx, xi = others[0], others[2]
            z[3:] = [z_du * xi * g_cx * (1 - g_cx), z_cr, z_du * g_cx]  # X6
        torch.cat(z, 1, out=Z[n])
        s_bar = g_cs * psi
        if W_s is not None:
            s_bar = s_bar + peep_back(W_s, Z[n, :, d : k - d])
        v_bar = Z[n, :, :k] @ W_v
    gates, inputs = Z[..., :k], Z[..., d:] if external else Z
    past = torch.cat([v[None], V[:-1]])
    stacked = Gradients(
        W_x=torch.stack([outer(inputs, x[j : j + ticks]) for j in range(len(W_x))]),  # X7
        W_v=outer(gates, past),  # L11
        b=gates.sum((0, 1)),
        W_s=None if W_s is None else peep_outer(W_s, gates[..., d : k - d], S[:-1]),
        W_scr=None if W_scr is None else peep_outer(W_scr, gates[..., k - d :], S[1:]),
        W_qdr=None if W_qdr is None else outer(chis, G[..., k - d : k] * torch.tanh(S[1:])),
    )
    x_bar = None
    if needs[0]:
        x_bar = torch.zeros_like(x)
        for j, W in enumerate(W_x):
            x_bar[j : j + ticks] += inputs @ W
    found = [x_bar, s_bar, v_bar, *by_letter(weights, stacked)]
    return [gradient if need else None for gradient, need in zip(found, needs, strict=True)]


def windows(x: Tensor, W_x: Tensor) -> Tensor:
    """xi[n] = sum over j of W_x[j] x[n+j], as many n as there are whole windows of x (X1)."""
    ticks = len(x) - len(W_x) + 1
    xi = x[:ticks] @ W_x[0].T
    for j in range(1, len(W_x)):
        xi += x[j : j + ticks] @ W_x[j].T
    return xi


def peep(W: Tensor, s: Tensor) -> Tensor:
    """What peepholes, matrices (k d, d) or diagonals (k, 1, d), make of the state (batch, d)."""
    return s @ W.T if W.ndim == 2 else (W * s).transpose(0, 1).flatten(1)


def peep_back(W: Tensor, z: Tensor) -> Tensor:
    """The transpose of ``peep``."""
    return z @ W if W.ndim == 2 else (W[:, 0] * z.unflatten(1, (len(W), -1))).sum(1)


def peep_outer(W: Tensor, Z: Tensor, S: Tensor) -> Tensor:
    """The gradient of peepholes."""
    if W.ndim == 2:
        return outer(Z, S)
    return (Z.unflatten(2, (len(W), -1)) * S[:, :, None]).sum((0, 1))[:, None]


def outer(Z: Tensor, values: Tensor) -> Tensor:
    """The sum over ticks and batch of Z[n] values[n]^T."""
    return Z.reshape(-1, Z.shape[-1]).T @ values.reshape(-1, values.shape[-1])
