"""The two passes of an LSTM over a sequence by compiled kernels: on the processor, in float32 or float64.

Uses: L1 to L11, X1 to X7.  The twin of the passes in plain torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.nn import compiled
from ode2rnn.nn.compiled import kind, pack, width
from ode2rnn.nn.gated_plain import Wanted
from ode2rnn.nn.gated_weights import Gradients, Stacked

MOST_ROWS = 256  # of which the weight gradients are taken at once


def fits(x: Tensor, s: Tensor) -> bool:
    """Whether the kernels can run this."""
    return compiled.fits(ACTIVATIONS["tanh"], x, s)


def peepholes(weights: Stacked) -> int:
    """Their kind, as the kernels number it."""
    return 0 if weights.W_s is None else 2 if weights.W_s.ndim == 2 else 1


def address(tensor: Tensor | None) -> int:
    """Where the numbers are; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()


def forward(x: Tensor, s: Tensor, v: Tensor, weights: Stacked, keep: bool) -> tuple[Tensor, Tensor, Any]:
    """v[0 .. N-1], s[N-1], and what the backward pass needs if there will be one (``keep``)."""
    from ode2rnn.kernels import gated

    x, v = x.detach().contiguous(), v.detach().contiguous()
    (ticks, batch, m), (_, d), d_v = x.shape, s.shape, v.shape[1]
    W_x, W_v, b, W_s, W_scr, W_qdr = weights
    gates, panel = len(W_v) // d, width(x.dtype)
    row = 6 * d if gates == 5 else 4 * d
    bias = x.new_zeros(row)
    if b is not None:
        bias[: len(b)] = b
    peephole = peepholes(weights)
    packed_x = pack_window(W_x)
    packed_v = pack(W_v).contiguous()
    packed_s = pack(W_s).contiguous() if peephole == 2 else W_s
    packed_cr = pack(W_scr).contiguous() if peephole == 2 else W_scr
    packed_q = None if W_qdr is None else pack(W_qdr).contiguous()
    block = max(1, 32 // batch)
    ring = ticks if keep else block
    S = x.new_empty(ticks + 1 if keep else 1, batch, d)
    S[0] = s
    G = x.new_empty(ring, batch, row)
    V = x.new_empty(ticks, batch, d_v)
    q = x.new_empty(batch, d) if W_qdr is not None else None
    scratch = x.new_empty(max(batch, 32), panel)
    gated.forward(
        kind(x.dtype).type(0), ticks, batch, m, d, d_v, len(W_x), gates == 5, peephole, W_qdr is not None, block,
        ring, keep, panel,
        *(address(t) for t in (x, v, packed_x, packed_v, bias, packed_s, packed_cr, packed_q, S, G, q, scratch, V)),
    )  # fmt: skip
    return V, S[-1], (S, G) if keep else None


def pack_window(W_x: Tensor) -> Tensor:
    return torch.stack([pack(W) for W in W_x])


def backward(
    x: Tensor,
    v: Tensor,
    V: Tensor,
    weights: Stacked,
    kept: Any,
    V_bar: Tensor | None,
    s_bar: Tensor | None,
    v_bar: Tensor | None,
    wanted: Wanted,
) -> tuple[Gradients, Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of the weights, x, s[-1] and v[-1], from those of V, s[N-1] and v[N-1], None for zero."""
    from ode2rnn.kernels import gated

    S, G = kept
    x, v, V = x.detach().contiguous(), v.detach().contiguous(), V.detach()
    (ticks, batch, m), d, d_v = x.shape, S.shape[2], v.shape[1]
    W_x, W_v, _, W_s, W_scr, W_qdr = weights
    gates, panel = len(W_v) // d, width(x.dtype)
    row, x_row = (6 * d, 5 * d) if gates == 5 else (4 * d, 4 * d)
    peephole = peepholes(weights)
    new, zeros = x.new_empty, x.new_zeros
    packed_x = torch.stack([pack(W.T) for W in W_x]) if wanted.x else None
    packed_v = pack(W_v.T).contiguous()
    packed_s = pack(W_s.T).contiguous() if peephole == 2 else W_s
    packed_cr = pack(W_scr.T).contiguous() if peephole == 2 else W_scr
    packed_q = None if W_qdr is None else pack(W_qdr.T).contiguous()
    V_bar = None if V_bar is None else V_bar.detach().contiguous()
    psi = zeros(batch, d) if s_bar is None else s_bar.clone(memory_format=torch.contiguous_format)
    v_bar = zeros(batch, d_v) if v_bar is None else v_bar.clone(memory_format=torch.contiguous_format)
    block = min(ticks, max(1, MOST_ROWS // batch))
    most = min(MOST_ROWS, block * batch)
    Z = zeros(block * batch * row + panel)
    projected = W_qdr is not None
    chi = new(block if projected else 1, batch, d_v)
    q = new(block if projected else 1, batch, d)
    q_bar = new(batch, d) if projected else None
    left = new(-(-max(row, d_v) // 8), most, 8)
    widest = max(d, d_v, m)
    right = new(-(-widest // panel), most, panel)
    scratch = new(max(batch, most), panel)

    def up(n: int) -> int:
        return -(-n // panel) * panel

    few = m % panel != 0 and m < 2 * panel
    x_bar = zeros(x.shape) if wanted.x else None
    sum_x = None
    if wanted.W_x:
        sum_x = zeros(len(W_x), m, up(x_row)) if few else zeros(len(W_x), x_row, up(m))
    sum_v = zeros(gates * d, up(d_v)) if wanted.W_v else None
    sum_b = zeros(up(gates * d)) if wanted.b else None
    if peephole == 1:
        sum_s, sum_cr = zeros(W_s.shape), zeros(W_scr.shape)
    else:
        sum_s = zeros((gates - 2) * d, up(d)) if wanted.W_s and peephole else None
        sum_cr = zeros(d, up(d)) if wanted.W_scr and peephole else None
    sum_qdr = zeros(d_v, up(d)) if projected and wanted.W_qdr else None
    one = x.new_ones(1)
    gated.backward(
        kind(x.dtype).type(0), ticks, batch, m, d, d_v, len(W_x), gates == 5, peephole, projected, block, panel,
        *(address(t) for t in (x, v, V, V_bar, packed_x, packed_v, packed_s, packed_cr, packed_q, S, G, Z, chi, q)),
        *(address(t) for t in (q_bar, left, right, scratch, one)), most, few,
        *(address(t) for t in (psi, v_bar, x_bar, sum_x, sum_v, sum_b, sum_s, sum_cr, sum_qdr)),
    )  # fmt: skip
    gradients = Gradients(
        W_x=None if sum_x is None else sum_x[..., :x_row].transpose(1, 2) if few else sum_x[..., :m],
        W_v=None if sum_v is None else sum_v[:, :d_v],
        b=None if sum_b is None else sum_b[: gates * d],
        W_s=None if sum_s is None else sum_s[..., :d],
        W_scr=None if sum_cr is None else sum_cr[..., :d],
        W_qdr=None if sum_qdr is None else sum_qdr[:, :d],
    )
    return gradients, x_bar, psi if wanted.s else None, v_bar if wanted.v else None
