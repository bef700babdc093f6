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
from ode2rnn.nn.passes.differentiated import differentiated, watched
from ode2rnn.nn.passes.observed import observed
from ode2rnn.nn.passes.plain import simple as plain


class RNNWeights(NamedTuple):
    """The weights of a recursion; W_s is None in the standard RNN (D8), theta_s without a bias."""

    W_s: Tensor | None
    W_r: Tensor
    W_x: Tensor
    theta_s: Tensor | None


def recur(x: Tensor, start: Tensor, weights: RNNWeights, activation: Activation) -> tuple[Tensor, Tensor]:
    """The readouts r[0 .. N-1] (N, batch, d) and what a run goes on from, (batch, d); compiled where the kernels can.

    ``start`` and the second result are the state s for the canonical RNN, and the readout r for the standard RNN,
    which remembers nothing else.
    """
    tensors = (x, start, *weights)
    if observed() or not compiled.fits(activation, x, start):
        return _results(*plain.forward(activation, *tensors), weights.W_s)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return CompiledRecurrence.apply(activation, *tensors)
    return _results(*compiled.forward(activation, *tensors), weights.W_s)


def _results(S: Tensor | None, R: Tensor, W_s: Tensor | None) -> tuple[Tensor, Tensor]:
    """The last has memory of its own: it outlives the others, and is written into."""
    return R, (R if S is None or W_s is None else S)[-1].clone()


class CompiledRecurrence(torch.autograd.Function):
    """r[0 .. N-1] and what a run goes on from, with the gradients B1 to B3, by the kernels."""

    @staticmethod
    def forward(ctx: Any, activation: Activation, *tensors: Any) -> Any:
        S, R = compiled.forward(activation, *tensors)
        ctx.activation = activation
        ctx.save_for_backward(*tensors, S, R)
        ctx.set_materialize_grads(False)
        return _results(S, R.clone(), tensors[2])  # what is kept stays as it is when a result is written into

    @staticmethod
    def backward(ctx: Any, R_bar: Tensor | None, last_bar: Tensor | None) -> Any:
        _, *needs = ctx.needs_input_grad
        *tensors, S, R = ctx.saved_tensors
        if R_bar is None and last_bar is None:
            return None, *(None for _ in needs)
        if watched((R_bar, last_bar)):
            return None, *differentiated(partial(_recorded, ctx.activation), tensors, (R_bar, last_bar), needs)
        x, start, W_s, W_r, W_x, _ = tensors
        G, (wants_x, wants_start, wants_s, wants_r, wants_in, wants_theta) = ctx.activation, needs
        first = start if W_s is None else G.value(start)  # r[-1]
        S_bar = None
        if last_bar is not None:  # of r[N-1], or of s[N-1]
            whole = torch.zeros_like(R)
            whole[-1] = last_bar
            if W_s is not None:
                S_bar = whole
            else:
                R_bar = whole if R_bar is None else R_bar + whole
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


def _recorded(activation: Activation, x: Tensor, start: Tensor, *weights: Any) -> tuple[Tensor, Tensor]:
    return _results(*plain.forward(activation, x, start, *weights), weights[0])
