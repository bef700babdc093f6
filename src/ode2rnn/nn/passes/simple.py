"""One recursion over one sequence as a function of torch.

Uses: D5, D8, B1 to B3.  Source: "RNN Training Difficulties" (back-propagation through time).

Row vectors: the state of a batch is (batch, d), so that W_r r[n-1] is r[n-1] W_r^T here and W_r^T psi[n+1] is
psi[n+1] W_r.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ode2rnn.core.activations import Activation
from ode2rnn.nn.passes.compiled import simple as compiled
from ode2rnn.nn.passes.differentiated import differentiated
from ode2rnn.nn.passes.plain import simple as plain


class Weights(NamedTuple):
    """The weights of a recursion; W_s is None in the standard RNN (D8), theta_s without a bias."""

    W_s: Tensor | None
    W_r: Tensor
    W_x: Tensor
    theta_s: Tensor | None


def recur(x: Tensor, start: Tensor, weights: Weights, activation: Activation) -> tuple[Tensor, Tensor]:
    """The readouts r[0 .. N-1] (N, batch, d) and what a run goes on from, (batch, d); compiled where the kernels can.

    ``start`` and the second result are the state s for the canonical RNN, and the readout r for the standard RNN,
    which remembers nothing else.
    """
    tensors = (x, start, *weights)
    S: Tensor | None
    if not compiled.fits(activation, x, start):
        S, R = plain.forward(activation, *tensors)
    elif torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        S, R = CompiledRecurrence.apply(activation, *tensors)
    else:
        S, R = compiled.forward(activation, *tensors)
    return R, R[-1] if S is None or weights.W_s is None else S[-1]


class CompiledRecurrence(torch.autograd.Function):
    """r[0 .. N-1], and for the canonical RNN s[0 .. N-1] too, with the gradients B1 to B3, by the kernels."""

    @staticmethod
    def forward(ctx: Any, activation: Activation, *tensors: Any) -> Any:
        S, R = compiled.forward(activation, *tensors)
        ctx.activation = activation
        ctx.save_for_backward(*tensors, S, R)
        ctx.set_materialize_grads(False)
        return S, R

    @staticmethod
    def backward(ctx: Any, S_bar: Tensor | None, R_bar: Tensor | None) -> Any:
        _, *needs = ctx.needs_input_grad
        *tensors, S, R = ctx.saved_tensors
        if R_bar is None and S_bar is None:
            return None, *(None for _ in needs)
        if torch.is_grad_enabled():  # someone asked for a graph of this pass, to differentiate it again
            run = partial(plain.forward, ctx.activation)
            return None, *differentiated(run, tensors, (S_bar, R_bar), needs)
        x, start, W_s, W_r, W_x, _ = tensors
        G, (wants_x, wants_start, wants_s, wants_r, wants_in, wants_theta) = ctx.activation, needs
        first = start if W_s is None else G.value(start)  # r[-1]
        psi = compiled.backward(G, S, R, R_bar, S_bar, W_s, W_r)
        start_bar = None
        if wants_start:
            start_bar = psi[0] @ W_r
            if W_s is not None:
                start_bar = start_bar * G.slope(start) + psi[0] @ W_s
        return (
            None,
            psi @ W_x if wants_x else None,
            start_bar,
            compiled.outer(psi, S, start) if wants_s else None,  # B3
            compiled.outer(psi, R, first) if wants_r else None,
            compiled.outer(psi, x) if wants_in else None,
            psi.sum((0, 1)) if wants_theta else None,
        )
