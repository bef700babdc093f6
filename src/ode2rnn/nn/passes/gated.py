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
from ode2rnn.nn.passes.gated_weights import order, uniform
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
    return lstm(x, s, v, *(weights[letter] for letter in LETTERS))[:3]


def _by_letter(weights: tuple[Tensor | None, ...]) -> dict[str, Tensor | None]:
    return dict(zip(LETTERS, weights, strict=True))


# -- the compiled passes as operators of torch: it knows their shapes and gradients, and looks no further

OPTIONAL = ", ".join(f"Tensor? {letter}" for letter in LETTERS)


def _forward(x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> tuple[Tensor, ...]:
    """v[0 .. N-1], s[N-1], v[N-1], and for the way back v[0 .. N-1] untouched, s[-1 .. N-1] and the gates."""
    V, s_last, v_last, (S, G) = compiled.forward(x, s, v, _by_letter(weights))
    return V.clone(), s_last, v_last, V, S, G


def _forward_shapes(x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> tuple[Tensor, ...]:
    given = _by_letter(weights)
    W_x: Any = given["W_xcu"]
    ticks, gates = len(x) - (0 if W_x.ndim == 2 else len(W_x) - 1), len(order(given))
    V, S = (ticks, *v.shape), (ticks + 1, *s.shape)
    row = (6 if gates == 5 else 4) * s.shape[1]
    shapes = (V, s.shape, v.shape, V, S, (ticks, len(s), row))
    return tuple(x.new_empty(shape) for shape in shapes)


def _backward(*given: Any) -> list[Tensor]:
    """The gradients that are needed, from those of the results (L7 to L11, X4 to X7)."""
    x, _, v, V, S, G, *rest = given
    bars, needs, weights = rest[:3], rest[3], _by_letter(tuple(rest[4:]))
    found = [g for g in compiled.backward(x, v, V, (S, G), weights, bars, needs) if g is not None]
    # those of the gates are parts of one matrix: each gets memory of its own
    return [g if g.untyped_storage().nbytes() == g.nbytes else g.clone() for g in found]


def _backward_shapes(*given: Any) -> list[Tensor]:
    x, s, v, *rest = given
    tensors = (x, s, v, *rest[7:])
    return [torch.empty_like(like) for like, need in zip(tensors, rest[6], strict=True) if need]


def _keep(ctx: Any, inputs: tuple[Tensor | None, ...], output: tuple[Tensor, ...]) -> None:
    kept = output[3:]
    ctx.save_for_backward(*inputs, *kept)
    ctx.mark_non_differentiable(*kept)
    ctx.set_materialize_grads(False)


def _pulled(ctx: Any, *bars: Tensor | None) -> tuple[Any, ...]:
    needs, bars = list(ctx.needs_input_grad), bars[:3]
    if all(bar is None for bar in bars):
        return (None,) * len(needs)
    *tensors, V, S, G = ctx.saved_tensors
    if watched(bars):
        return tuple(differentiated(_recorded, tensors, bars, needs))
    found = iter(lstm_back(*tensors[:3], V, S, G, *bars, needs, *tensors[3:]))
    return tuple(next(found) if need else None for need in needs)


def _recorded(x: Tensor, s: Tensor, v: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    return plain.forward(x, s, v, _by_letter(weights))


lstm = torch.library.custom_op(
    "ode2rnn::lstm",
    _forward,
    mutates_args=(),
    schema=f"(Tensor x, Tensor s, Tensor v, {OPTIONAL}) -> ({', '.join(['Tensor'] * 6)})",
)
lstm.register_fake(_forward_shapes)
lstm.register_autograd(_pulled, setup_context=_keep)
BARS = "Tensor? V_bar, Tensor? s_bar, Tensor? v_bar, bool[] needs"
lstm_back = torch.library.custom_op(
    "ode2rnn::lstm_back",
    _backward,
    mutates_args=(),
    schema=f"(Tensor x, Tensor s, Tensor v, Tensor V, Tensor S, Tensor G, {BARS}, {OPTIONAL}) -> Tensor[]",
)
lstm_back.register_fake(_backward_shapes)
