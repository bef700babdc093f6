"""The two passes of an LSTM over a whole sequence, each with its loop over time in one function.

Uses: L1 to L10, X2 to X6.  The twin is nn/passes/plain/gated.py. What needs no loop over time, the input terms and the
sums L11 and X7 over all ticks, is left to whoever calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.vectors import address
from ode2rnn.kernels.layers.gates import BackRow, Row, read, read_back, update, update_back
from ode2rnn.kernels.products.tile import add_product

Array = np.ndarray


class Packed(NamedTuple):
    """The weights of a pass, packed by kernels.products.packing: as they are for the forward pass, transposed for the
    backward pass. ``gates`` is 4, or 5 with an external gate.

    Attributes:
        v: of v[n-1], all gates one after the other, (gates d, d_v).
        s: peepholes of cu, cs and cx, ((gates - 2) d, d); without panels where there are none, or diagonal ones.
        cr: the peephole of cr, (d, d), likewise.
        diagonal: diagonal peepholes as they are, (gates - 1, d), or (0, d).
        q: the projection (d_v, d), or without panels.
    """

    v: Array
    s: Array
    cr: Array
    diagonal: Array
    q: Array


class Traces(NamedTuple):
    """What the ticks leave: s[-1 .. N-1] (N + 1, batch, d), and the gates (N, batch, 4 d or 6 d)."""

    S: Array
    G: Array


class Bars(NamedTuple):
    """Gradients of v[0 .. N-1], s[N-1] and v[N-1]: each as large as these, or of length 0 where it is zero."""

    V: Array
    s: Array
    v: Array


class Results(NamedTuple):
    """The gradients that the backward pass leaves.

    Attributes:
        Z: those of the activations, (N, batch, 4 d or 6 d).
        chi: those of v[0 .. N-1] with all that comes of it, (N, batch, d_v), and q[0 .. N-1], (N, batch, d): with a
            projection, else of one tick.
        q: see chi.
        s, v: those of s[-1] (batch, d) and v[-1] (batch, d_v).
    """

    Z: Array
    chi: Array
    q: Array
    s: Array
    v: Array


@kernel
def forward(weights: Packed, memory: Traces, v: Array, V: Array) -> None:
    """v[0 .. N-1] into V (N, batch, d_v), from s[-1] = S[0] and v[-1] = v; G holds the input terms, biases included."""
    S, G = memory
    ticks, batch, d_v = V.shape
    d, row = S.shape[2], G.shape[2]
    external, projected, full = row == 6 * d, weights.q.shape[0] > 0, weights.s.shape[0] > 0
    gates, at, size = 5 if external else 4, 4 * d if external else 3 * d, G.itemsize
    zero, width = G.dtype.type(0.0), weights.v.shape[2]
    scratch, q = np.empty((batch, width), G.dtype), np.empty((batch, d), G.dtype)
    past = address(v)
    for n in range(ticks):
        g, s, s_next = address(G[n]), address(S[n]), address(S[n + 1])
        out = address(q) if projected else address(V[n])
        add_product((past, d_v), weights.v, (g, row), batch, gates * d, scratch)
        if full:
            add_product((s, d), weights.s, (g + d * size, row), batch, (gates - 2) * d, scratch)
        for b in range(batch):
            update(zero, _row(weights, external, d, (g, s, s_next), b * size * row, b * size * d))
        if full:
            add_product((s_next, d), weights.cr, (g + at * size, row), batch, d, scratch)
        for b in range(batch):
            read(zero, _row(weights, external, d, (g, s, s_next), b * size * row, b * size * d), out + b * size * d)
        past = address(V[n])
        if projected:
            V[n] = zero
            add_product((out, d), weights.q, (past, d_v), batch, d_v, scratch)


@kernel
def _row(weights: Packed, external: bool, d: int, at: tuple[int, int, int], row: int, state: int) -> Row:
    """The row of a sequence, so many bytes after the first."""
    diagonal = weights.diagonal.shape[0] > 0
    return Row(d, external, diagonal, address(weights.diagonal), at[0] + row, at[1] + state, at[2] + state)


@kernel
def backward(weights: Packed, memory: Traces, bars: Bars, out: Results) -> None:
    """The gradients of the activations and of the start, from those of the results."""
    (S, G), (Z, _, _, psi, v_out) = memory, out
    ticks, batch, row = G.shape
    d, d_v = S.shape[2], v_out.shape[1]
    external, projected, full = row == 6 * d, weights.q.shape[0] > 0, weights.s.shape[0] > 0
    cr, size = 4 * d if external else 3 * d, G.itemsize
    zero, width = G.dtype.type(0.0), weights.v.shape[2]
    scratch, q_bar = np.empty((batch, width), G.dtype), np.empty((batch, d), G.dtype)
    if len(bars.s):
        psi[:] = bars.s
    else:
        psi[:] = zero
    for i in range(ticks):
        n = ticks - 1 - i
        chi, q = out.chi[n % len(out.chi)], out.q[n % len(out.q)]
        if len(bars.V):
            chi[:] = bars.V[n]
        else:
            chi[:] = zero
        if i > 0:
            add_product((address(Z[n + 1]), row), weights.v, (address(chi), d_v), batch, d_v, scratch)  # L7
        elif len(bars.v):
            chi += bars.v
        onto = address(chi)
        if projected:
            q_bar[:] = zero
            onto = address(q_bar)
            add_product((address(chi), d_v), weights.q, (onto, d), batch, d, scratch)  # X4
        g, z, s, s_next = address(G[n]), address(Z[n]), address(S[n]), address(S[n + 1])
        for b in range(batch):
            to, state = b * size * row, b * size * d
            flow = BackRow(z + to, address(psi) + state, onto + state, address(q) + state)
            read_back(zero, _row(weights, external, d, (g, s, s_next), to, state), flow)
        if full:
            add_product((z + cr * size, row), weights.cr, (address(psi), d), batch, d, scratch)  # L9
        for b in range(batch):
            to, state = b * size * row, b * size * d
            flow = BackRow(z + to, address(psi) + state, onto + state, address(q) + state)
            update_back(zero, _row(weights, external, d, (g, s, s_next), to, state), flow)
        if full:
            add_product((z + d * size, row), weights.s, (address(psi), d), batch, d, scratch)
    v_out[:] = zero
    add_product((address(Z), row), weights.v, (address(v_out), d_v), batch, d_v, scratch)
