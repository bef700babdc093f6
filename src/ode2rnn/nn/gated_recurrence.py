"""One LSTM over one sequence as a function of torch, with its backward pass written out.

Uses: L1 to L11, X1 to X7.  Source: "The Vanilla LSTM Network Mechanism in Detail" and "Extensions to the Vanilla LSTM
Network".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ode2rnn.nn import gated_plain as plain
from ode2rnn.nn.gated_plain import Wanted
from ode2rnn.nn.gated_weights import LETTERS, as_mapping, by_letter, stack
from ode2rnn.nn.recurrence import Refusal


def recur(x: Tensor, s: Tensor, v: Tensor, weights: Mapping[str, Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
    """v[0 .. N-1] (N, batch, d_v), s[N-1] and v[N-1] from s[-1] = s and v[-1] = v.

    Args:
        x: (N, batch, m).
        s: (batch, d).
        v: (batch, d_v).
        weights: by letter, all of LETTERS. A peephole W_s? is None, a diagonal (d,) or a matrix (d, d); a bias is
            None or (d,); W_x? is (d, m), or a window (L, d, m) that looks ahead; the letters of the gate cx are None
            without it, and W_qdr (d_v, d) without a projection.
    """
    tensors = (x, s, v, *(weights[letter] for letter in LETTERS))
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return GatedRecurrence.apply(*tensors)
    V, s, _ = engine(x, s).forward(x, s, v, stack(weights), False)
    return V, s, V[-1]


def engine(x: Tensor, s: Tensor) -> Any:
    """The passes that run this: the compiled ones where they can."""
    return plain


class GatedRecurrence(torch.autograd.Function):
    """v[0 .. N-1], s[N-1] and v[N-1] with their gradients L7 to L11, X4 to X7."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> Any:
        ctx.engine = engine(x, s)
        V, last, ctx.kept = ctx.engine.forward(x, s, v, stack(as_mapping(weights)), True)
        ctx.save_for_backward(x, v, V, *weights)
        ctx.set_materialize_grads(False)
        return V, last.clone(), V[-1].clone()

    @staticmethod
    def backward(ctx: Any, V_bar: Tensor | None, s_bar: Tensor | None, v_bar: Tensor | None) -> Any:
        if V_bar is None and s_bar is None and v_bar is None:
            return (None,) * len(ctx.needs_input_grad)
        with torch.no_grad():
            gradients = _gradients(ctx, V_bar, s_bar, v_bar)
        if torch.is_grad_enabled():  # someone asked for a graph of this pass, to differentiate it again
            return (*(g if g is None else Refusal.apply(g, torch.zeros((), requires_grad=True)) for g in gradients),)
        return (*gradients,)


def _gradients(ctx: Any, V_bar: Tensor | None, s_bar: Tensor | None, v_bar: Tensor | None) -> list[Tensor | None]:
    x, v, V, *rest = ctx.saved_tensors
    weights, needs = as_mapping(rest), ctx.needs_input_grad
    needed = {letter for letter, need in zip(LETTERS, needs[3:], strict=True) if need}
    wanted = Wanted(
        W_x=any(letter.startswith("W_x") for letter in needed),
        W_v=any(letter.startswith("W_v") for letter in needed),
        b=any(letter.startswith("b_") for letter in needed),
        W_s=bool(needed & {"W_scu", "W_scs", "W_scx"}),
        W_scr="W_scr" in needed,
        W_qdr="W_qdr" in needed,
        x=needs[0],
        s=needs[1],
        v=needs[2],
    )
    stacked, x_bar, s_bar, v_bar = ctx.engine.backward(x, v, V, stack(weights), ctx.kept, V_bar, s_bar, v_bar, wanted)
    found = by_letter(weights, stacked)
    return [x_bar, s_bar, v_bar, *(g if need else None for g, need in zip(found, needs[3:], strict=True))]
