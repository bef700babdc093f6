"""The two passes of an LSTM over a sequence by compiled kernels: on the processor, in float32 or float64.

Uses: L1 to L11, X1 to X7.  The twin of the passes in plain torch.  The kernels run the loop over time; the products
that need none, of all ticks at once, are torch's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ode2rnn import kernels
from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.kernels import door
from ode2rnn.kernels.layers.records import Bars, Packed, Results, Traces
from ode2rnn.nn.passes.compiled import simple
from ode2rnn.nn.passes.compiled.simple import kind, width
from ode2rnn.nn.passes.compiled.stacked import ActedOn, stacked, weight_gradients
from ode2rnn.nn.passes.gated_weights import Weights, order


def fits(x: Tensor, s: Tensor) -> bool:
    """Whether the kernels can run this."""
    return simple.fits(ACTIVATIONS["tanh"], x, s, "gated_forward")


def forward(
    x: Tensor, s: Tensor, v: Tensor, weights: Weights, keep: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """v[0 .. N-1], s[N-1], v[N-1], and, if there will be a backward pass (``keep``), what it needs: s[-1 .. N-1], the
    gates, and the weights as it takes them.

    Raises:
        ValueError: a weight or a start whose shape, precision or memory is not what x and s ask for.
    """

    (batch, d), d_v, dtype = s.shape, v.shape[1], kind(x.dtype)
    whole = stacked(x, weights, (d, d_v), dtype)
    given = torch.from_numpy(door.array("x", x, (len(x), batch, x.shape[2]), dtype))
    ticks, row = len(x) - len(whole.W_x) + 1, len(whole.bias)
    S, V, G = (door.empty((n, batch, k), dtype) for n, k in ((ticks + 1, d), (ticks, d_v), (ticks, row)))
    terms, bias = torch.from_numpy(G).flatten(0, 1), torch.from_numpy(whole.bias)
    for j, W in enumerate(whole.W_x):  # what inputs and biases give the activations of all ticks (X1)
        torch.addmm(terms if j else bias, given[j : ticks + j].flatten(0, 1), torch.from_numpy(W.T), out=terms)
    S[0] = door.array("s", s, (batch, d), dtype)
    panel, start = width(x.dtype), door.array("v", v, (batch, d_v), dtype)
    weights_ahead = Packed(*whole.packed(panel, False))
    for a, b in kernels.stretches(ticks, 4.0 * batch * row * d):
        kernels.gated_forward(weights_ahead, Traces(S[a : b + 1], G[a:b]), V[a - 1] if a else start, V[a:b])
    kept = (S, G, whole.W_x, *whole.packed(panel, True)) if keep else ()
    results = (torch.from_numpy(values) for values in (V, S[-1].copy(), V[-1].copy()))
    return *results, tuple(map(torch.from_numpy, kept))  # type: ignore[return-value]


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

    (S, G, W_x, *packed), dtype = kept, kind(x.dtype)
    (ticks, batch, row), d, d_v = G.shape, S.shape[2], v.shape[1]
    given = [
        np.empty((0, *of.shape[1:]), dtype) if bar is None else door.array("gradient", bar, tuple(of.shape), dtype)
        for bar, of in zip(bars, (V, S[0], v), strict=True)
    ]
    some = 1 if weights["W_qdr"] is None else ticks
    shapes = (ticks, batch, row), (some, batch, d_v), (some, batch, d), (batch, d), (batch, d_v)
    out = Results(*(door.empty(shape, dtype) for shape in shapes))
    weights_back, (V_bar, *ends), states, gates = Packed(*(W.numpy() for W in packed)), given, S.numpy(), G.numpy()
    for a, b in reversed(kernels.stretches(ticks, 4.0 * batch * row * d)):
        some_chi, some_q = (values[a:b] if some == ticks else values for values in (out.chi, out.q))
        part = Results(out.Z[a:b], some_chi, some_q, out.s, out.v)
        kernels.gated_backward(weights_back, Traces(states[a : b + 1], gates[a:b]), Bars(V_bar[a:b], *ends), part)
        ends = [out.s, out.v]  # the error flow into the ticks before
    Z = torch.from_numpy(out.Z).flatten(0, 1)
    seen = [x[j : ticks + j].flatten(0, 1) for j in range(len(W_x))]
    past = torch.cat([v[None], V[:-1]]).flatten(0, 1)
    acted_on = ActedOn(seen, past, S[:-1].flatten(0, 1), S[1:].flatten(0, 1), len(packed[3]) > 0)
    wanted = {letter for letter, need in zip(LETTERS, needs[3:], strict=True) if need}
    gradients = weight_gradients(
        Z, order(weights), {"b" if letter[0] == "b" else letter[:3] for letter in wanted}, acted_on
    )
    if "W_qdr" in wanted:
        chi, q = (torch.from_numpy(values).flatten(0, 1) for values in (out.chi, out.q))
        gradients["W_qdr"] = chi.T @ q
    found = [_like(gradients[letter], weights[letter]) if letter in wanted else None for letter in LETTERS]
    x_bar = torch.from_numpy(door.empty(x.shape, dtype)).zero_() if needs[0] else None
    for j in range(len(W_x) if x_bar is not None else 0):
        assert x_bar is not None
        x_bar[j : ticks + j].flatten(0, 1).addmm_(Z, W_x[j])
    starts = (torch.from_numpy(start) if need else None for start, need in zip(out[3:], needs[1:3], strict=True))
    return [x_bar, *starts, *found]


def _like(gradient: Tensor, W: Tensor) -> Tensor:
    """As the weight stands: that of a window comes as (d, L, m)."""
    return gradient if W.ndim < 3 else gradient.reshape((W.shape[1], len(W), W.shape[2])).movedim(1, 0)
