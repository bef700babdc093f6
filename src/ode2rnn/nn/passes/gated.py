"""One LSTM over one sequence as a function of torch.

Uses: L1 to L11, X1 to X7.  Source: "The Vanilla LSTM Network Mechanism in Detail" and "Extensions to the Vanilla LSTM
Network".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ode2rnn.gated.augmented import LETTERS
from ode2rnn.nn.passes.compiled import gated as compiled
from ode2rnn.nn.passes.differentiated import differentiated, watched
from ode2rnn.nn.passes.gated_weights import uniform
from ode2rnn.nn.passes.observed import observed
from ode2rnn.nn.passes.plain import gated as plain


def recur(x: Tensor, s: Tensor, v: Tensor, weights: Mapping[str, Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
    """v[0 .. N-1] (N, batch, d_v), s[N-1] and v[N-1] from s[-1] = s and v[-1] = v, compiled where the kernels can.

    Args:
        x: (N, batch, m); (N + L - 1, batch, m) with windows of L inputs.
        s: (batch, d).
        v: (batch, d_v).
        weights: by letter, all of LETTERS. A peephole W_s? is None, a diagonal (d,) or a matrix (d, d); a bias is
            None or (d,); W_x? is (d, m), or (L, d, m), of which W_x?[j] acts at the tick n on x[n+j]: x[0] is the
            first input that the first window sees, and zeros stand for those outside the sequence (X1). The letters of
            the gate cx are None without it, and W_qdr (d_v, d) without a projection.
    """
    weights = uniform(weights)
    if observed() or not compiled.fits(x, s):
        return plain.forward(x, s, v, weights)
    tensors = (x, s, v, *(weights[letter] for letter in LETTERS))
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return CompiledLSTM.apply(*tensors)
    return compiled.forward(x, s, v, weights, False)[:3]


class CompiledLSTM(torch.autograd.Function):
    """v[0 .. N-1], s[N-1] and v[N-1] with their gradients L7 to L11, X4 to X7, by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> Any:
        V, s_last, v_last, kept = compiled.forward(x, s, v, dict(zip(LETTERS, weights, strict=True)), True)
        ctx.save_for_backward(x, s, v, *weights, V, *kept)
        ctx.set_materialize_grads(False)
        return V.clone(), s_last, v_last  # what is kept stays as it is when a result is written into

    @staticmethod
    def backward(ctx: Any, *bars: Tensor | None) -> Any:
        needs = ctx.needs_input_grad
        if all(bar is None for bar in bars):
            return (None,) * len(needs)
        x, s, v, *rest = ctx.saved_tensors
        weights, (V, *kept) = rest[: len(LETTERS)], rest[len(LETTERS) :]
        if watched(bars):
            return tuple(differentiated(_recorded, (x, s, v, *weights), bars, needs))
        return tuple(compiled.backward(x, v, V, tuple(kept), dict(zip(LETTERS, weights, strict=True)), bars, needs))


def _recorded(x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    return plain.forward(x, s, v, dict(zip(LETTERS, weights, strict=True)))
