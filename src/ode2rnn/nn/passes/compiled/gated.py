"""The two passes of an LSTM over a sequence by compiled kernels: on the processor, in float32 or float64.

Uses: L1 to L11, X1 to X7.  The twin of the passes in plain torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.nn.passes.compiled import simple
from ode2rnn.nn.passes.compiled.layout import DIAGONAL, backward_plan, forward_plan, sizes_of
from ode2rnn.nn.passes.compiled.simple import kind, width
from ode2rnn.nn.passes.gated_weights import EXTERNAL, Weights

TABLE = [f"{what}{gate}" for what in ("W_x", "W_v", "b_", "W_s") for gate in EXTERNAL] + ["W_qdr"]
# the letters whose gradients are one sum, by their places among the inputs x, s, v and LETTERS
SUMS = [
    [3 + i for i, letter in enumerate(LETTERS) if letter in of or letter[:-2] in of]
    for of in (["W_x"], ["W_v"], ["b_"], ["W_scu", "W_scs", "W_scx"], ["W_scr"], ["W_qdr"])
]


def fits(x: Tensor, s: Tensor) -> bool:
    """Whether the kernels can run this."""
    return simple.fits(ACTIVATIONS["tanh"], x, s)


def forward(
    x: Tensor, s: Tensor, v: Tensor, weights: Weights, keep: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """v[0 .. N-1], s[N-1], v[N-1], and what the backward pass needs if there will be one (``keep``)."""
    from ode2rnn.kernels.layers import gated

    x, s, v = x.contiguous(), s.contiguous(), v.contiguous()
    size = sizes_of(x, weights, width(x.dtype))
    plan = forward_plan(size, keep)
    alive, letters = _table(weights)
    kept, work = x.new_empty(plan.kept.total), x.new_empty(plan.work.total)
    V, s_last, v_last = x.new_empty(size.ticks, *v.shape), torch.empty_like(s), torch.empty_like(v)
    *packed, q, windows, scratch = plan.work.of(work)
    gated.forward(
        *(kind(x.dtype).type(0), *size, plan.block, plan.ring, keep, letters, *map(_address, (x, s, v)), *packed),
        *(*plan.kept.of(kept), q, windows, scratch, *map(_address, (V, s_last, v_last))),
    )
    del alive
    return V, s_last, v_last, (kept,)


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
    from ode2rnn.kernels.layers import gated

    x, v, V = x.contiguous(), v.contiguous(), V.contiguous()
    bars = [bar if bar is None else bar.contiguous() for bar in bars]
    size = sizes_of(x, weights, width(x.dtype))
    plan = backward_plan(size)
    alive, letters = _table(weights)
    work = x.new_empty(plan.work.total)
    sums = x.new_zeros(plan.sums.total)
    x_bar = torch.zeros_like(x) if needs[0] else None
    s_out, v_out = x.new_empty(size.batch, size.d), torch.empty_like(v)
    wanted = [any(needs[i] for i in of) for of in SUMS]
    if size.peephole == DIAGONAL:
        wanted[3:5] = True, True
    W_x, W_v, W_s, W_scr, W_qdr, *places = plan.work.of(work)
    gated.backward(
        *(kind(x.dtype).type(0), *size, plan.block, plan.most, plan.few, plan.z_row, letters),
        *map(_address, (x, v, V, *bars)),
        *(W_x if needs[0] else 0, W_v, W_s, W_scr, W_qdr),
        *(*forward_plan(size, True).kept.of(kept[0]), *places, *map(_address, (s_out, v_out, x_bar))),
        *(place if want else 0 for place, want in zip(plan.sums.of(sums), wanted, strict=True)),
    )
    del alive
    gradients = [
        sums.as_strided(*part) if need and part else None for part, need in zip(plan.parts, needs[3:], strict=True)
    ]
    if size.window == 1 and weights["W_xcu"].ndim == 2:
        gradients = [g[0] if g is not None and g.ndim == 3 else g for g in gradients]
    return [x_bar, s_out if needs[1] else None, v_out if needs[2] else None, *gradients]


def _table(weights: Weights) -> tuple[list[Tensor | None], np.ndarray]:
    """The weights in the kernels' order, to be kept alive, and their addresses."""
    tensors = [W if W is None else W.contiguous() for W in map(weights.get, TABLE)]
    return tensors, np.array([_address(W) for W in tensors])


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()
