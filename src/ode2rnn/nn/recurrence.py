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
from ode2rnn.nn import plain


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
    results = Recurrence.apply(activation, x, start, *weights)
    if weights.W_s is None:
        return results, results[-1]
    R, S = results
    return R, S[-1]


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
        S, R = plain.forward(activation, x, start, W_s, W_r, W_x, theta_s)
        ctx.activation = activation
        ctx.save_for_backward(x, start, W_s, W_r, W_x, S, R)
        ctx.set_materialize_grads(False)
        return R if W_s is None else (R, S)

    @staticmethod
    def backward(ctx: Any, R_bar: Tensor | None, S_bar: Tensor | None = None) -> Any:
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
    psi = plain.backward(activation, S, R_bar, S_bar, W_s, W_r)
    start_bar = None
    if wants_start:
        start_bar = psi[0] @ W_r
        if W_s is not None:
            start_bar = start_bar * activation.slope(start) + psi[0] @ W_s
    return [
        psi @ W_x if wants_x else None,
        start_bar,
        _outer(psi, S, start) if wants_s else None,
        _outer(psi, R, first) if wants_r else None,
        _product(psi, x) if wants_in else None,
        psi.sum((0, 1)) if wants_theta else None,
    ]


def _product(psi: Tensor, values: Tensor) -> Tensor:
    """sum over n and the batch of psi[n] values[n]^T, (d, width of the values)."""
    return psi.reshape(-1, psi.shape[-1]).T @ values.reshape(-1, values.shape[-1])


def _outer(psi: Tensor, values: Tensor, first: Tensor) -> Tensor:
    """sum over n and the batch of psi[n] values[n-1]^T, where values[-1] is ``first``."""
    total = psi[0].T @ first
    return total + _product(psi[1:], values[:-1]) if len(psi) > 1 else total
