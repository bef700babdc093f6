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

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.nn.passes.compiled import simple as compiled
from ode2rnn.nn.passes.differentiated import differentiated, watched
from ode2rnn.nn.passes.observed import observed
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
    if observed() or not compiled.fits(activation, x, start):
        return _plain(activation, x, start, *weights)
    return recurrence(x, start, *weights, activation.name)[:2]


def _plain(activation: Activation, x: Tensor, start: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor]:
    S, R = plain.forward(activation, x, start, *weights)  # type: ignore[arg-type]
    return R, (R if weights[0] is None else S)[-1].clone()


# -- the compiled passes as operators of torch: it knows their shapes and gradients, and looks no further

INPUTS = "Tensor x, Tensor start, Tensor? W_s, Tensor W_r, Tensor W_x, Tensor? theta_s, str activation"
KEPT = "Tensor x, Tensor start, Tensor? W_s, Tensor W_r, Tensor W_x, Tensor S, Tensor R"


def _forward(x: Tensor, start: Tensor, *given: Any) -> tuple[Tensor, ...]:
    """r[0 .. N-1], the last of what is remembered, and for the way back s[0 .. N-1] and r[0 .. N-1] untouched."""
    *weights, name = given
    S, R = compiled.forward(ACTIVATIONS[name], x, start, *weights)
    last = (R if S is None else S)[-1].clone()
    return R.clone(), last, R.new_empty(0) if S is None else S, R


def _forward_shapes(x: Tensor, start: Tensor, *given: Any) -> tuple[Tensor, ...]:
    whole = (len(x), *start.shape)
    return (
        x.new_empty(whole),
        torch.empty_like(start),
        x.new_empty(0 if given[0] is None else whole),
        x.new_empty(whole),
    )


def _backward(*given: Any) -> list[Tensor]:
    """The gradients that are needed, from those of the readouts and of the last of what is remembered (B1 to B3)."""
    x, start, W_s, W_r, W_x, S, R, R_bar, last_bar, needs, name = given
    G, standard = ACTIVATIONS[name], W_s is None
    S_bar = None
    if last_bar is not None and standard:
        R_bar = torch.zeros_like(R) if R_bar is None else R_bar.clone()
        R_bar[-1] += last_bar
    elif last_bar is not None:
        S_bar = torch.zeros_like(R)
        S_bar[-1] = last_bar
    first = start if standard else G.value(start)  # r[-1]
    psi = compiled.backward(G, None if standard else S, R, R_bar, S_bar, W_s, W_r)

    def of_start() -> Tensor:
        bar = psi[0] @ W_r
        return bar if standard else bar * G.slope(start) + psi[0] @ W_s

    each = (
        lambda: psi @ W_x,
        of_start,
        lambda: compiled.outer(psi, S, start),
        lambda: compiled.outer(psi, R, first),
        lambda: compiled.outer(psi, x),
        lambda: psi.sum((0, 1)),
    )
    return [gradient() for gradient, need in zip(each, needs, strict=True) if need]


def _backward_shapes(*given: Any) -> list[Tensor]:
    x, start, W_s, W_r, W_x, _, R, _, _, needs, _ = given
    each = (x, start, W_s, W_r, W_x, R.new_empty(R.shape[-1]))
    return [torch.empty_like(like) for like, need in zip(each, needs, strict=True) if need]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.activation = inputs
    *_, S, R = output
    ctx.save_for_backward(*tensors, S, R)
    ctx.mark_non_differentiable(S, R)
    ctx.set_materialize_grads(False)


def _pulled(ctx: Any, R_bar: Tensor | None, last_bar: Tensor | None, *_: Any) -> tuple[Any, ...]:
    *needs, _ = ctx.needs_input_grad
    if R_bar is None and last_bar is None:
        return (None,) * len(ctx.needs_input_grad)
    *tensors, S, R = ctx.saved_tensors
    if watched((R_bar, last_bar)):
        run = partial(_plain, ACTIVATIONS[ctx.activation])
        return *differentiated(run, tensors, (R_bar, last_bar), needs), None
    found = iter(recurrence_back(*tensors[:-1], S, R, R_bar, last_bar, needs, ctx.activation))
    return *(next(found) if need else None for need in needs), None


recurrence = torch.library.custom_op(
    "ode2rnn::recurrence", _forward, mutates_args=(), schema=f"({INPUTS}) -> (Tensor, Tensor, Tensor, Tensor)"
)
recurrence.register_fake(_forward_shapes)
recurrence.register_autograd(_pulled, setup_context=_keep)
recurrence_back = torch.library.custom_op(
    "ode2rnn::recurrence_back",
    _backward,
    mutates_args=(),
    schema=f"({KEPT}, Tensor? R_bar, Tensor? last_bar, bool[] needs, str activation) -> Tensor[]",
)
recurrence_back.register_fake(_backward_shapes)
