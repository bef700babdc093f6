"""One recursion over one sequence as a function of torch, with its backward pass written out.

Uses: D5, D8, B1 to B3.  Source: "RNN Training Difficulties" (back-propagation through time).

Row vectors: the state of a batch is (batch, d), so that W_r r[n-1] is r[n-1] W_r^T here and W_r^T psi[n+1] is
psi[n+1] W_r.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ode2rnn.core.activations import Activation
from ode2rnn.nn.passes.compiled import simple as compiled
from ode2rnn.nn.passes.plain import simple as plain


class Weights(NamedTuple):
    """The weights of a recursion; W_s is None in the standard RNN (D8), theta_s without a bias."""

    W_s: Tensor | None
    W_r: Tensor
    W_x: Tensor
    theta_s: Tensor | None


def recur(x: Tensor, start: Tensor, weights: Weights, activation: Activation) -> tuple[Tensor, Tensor]:
    """The readouts r[0 .. N-1] (N, batch, d) and what a run goes on from, (batch, d).

    ``start`` and the second result are the state s for the canonical RNN, and the readout r for the standard RNN,
    which remembers nothing else.
    """
    tensors = (x, start, *weights)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        R, S = Recurrence.apply(activation, *tensors)
    else:
        S, R = engine(activation, x, start).forward(activation, *tensors)
    return R, R[-1] if weights.W_s is None else S[-1]


def engine(activation: Activation, x: Tensor, start: Tensor) -> Any:
    """The passes that run this: the compiled ones where they can."""
    return compiled if compiled.fits(activation, x, start) else plain


class Recurrence(torch.autograd.Function):
    """r[0 .. N-1], and for the canonical RNN s[0 .. N-1] too, with the gradients B1 to B3."""

    @staticmethod
    def forward(
        ctx: Any,
        activation: Activation,
        x: Tensor,
        start: Tensor,
        W_s: Tensor | None,
        W_r: Tensor,
        W_x: Tensor,
        theta_s: Tensor | None,
    ) -> Any:
        ctx.engine = engine(activation, x, start)
        S, R = ctx.engine.forward(activation, x, start, W_s, W_r, W_x, theta_s)
        ctx.activation = activation
        ctx.save_for_backward(x, start, W_s, W_r, W_x, S, R)
        ctx.set_materialize_grads(False)
        return R, None if W_s is None else S

    @staticmethod
    def backward(ctx: Any, R_bar: Tensor | None, S_bar: Tensor | None) -> Any:
        with torch.no_grad():
            gradients = _gradients(ctx, R_bar, S_bar)
        if torch.is_grad_enabled():  # someone asked for a graph of this pass, to differentiate it again
            gradients = [g if g is None else Refusal.apply(g, torch.zeros((), requires_grad=True)) for g in gradients]
        return None, *gradients


class Refusal(torch.autograd.Function):
    """The identity on a gradient that cannot be differentiated again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, tracked: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise RuntimeError(
            "the layers of ode2rnn.nn have first derivatives only: their backward pass is written out, not recorded;"
            " for second derivatives step the cell itself, run(layer.cell(), x), which torch records"
        )


def _gradients(ctx: Any, R_bar: Tensor | None, S_bar: Tensor | None) -> list[Tensor | None]:
    """The gradients of x, start, W_s, W_r, W_x and theta_s, each where it is wanted (B3)."""
    x, start, W_s, W_r, W_x, S, R = ctx.saved_tensors
    if R_bar is None and S_bar is None:
        return [None] * 6
    activation, (_, wants_x, wants_start, wants_s, wants_r, wants_in, wants_theta) = (
        ctx.activation,
        ctx.needs_input_grad,
    )
    first = start if W_s is None else activation.value(start)  # r[-1]
    psi = ctx.engine.backward(activation, S, R, R_bar, S_bar, W_s, W_r)
    start_bar = None
    if wants_start:
        start_bar = psi[0] @ W_r
        if W_s is not None:
            start_bar = start_bar * activation.slope(start) + psi[0] @ W_s
    return [
        psi @ W_x if wants_x else None,
        start_bar,
        ctx.engine.outer(psi, S, start) if wants_s else None,
        ctx.engine.outer(psi, R, first) if wants_r else None,
        ctx.engine.outer(psi, x) if wants_in else None,
        psi.sum((0, 1)) if wants_theta else None,
    ]
