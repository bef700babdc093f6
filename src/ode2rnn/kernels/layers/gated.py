"""The two passes of an LSTM over a whole sequence, each with its loop over time in one function.

Uses: L1 to L10, X2 to X6.  The twin is nn/passes/plain/gated.py. What needs no loop over time, the input terms and the
sums L11 and X7 over all ticks, is left to whoever calls.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.vectors import address, clear_at, get_as, put_as
from ode2rnn.kernels.layers.gates import BackRow, GateRow, read, read_back, update, update_back
from ode2rnn.kernels.layers.records import Bars, Packed, Results, Traces
from ode2rnn.kernels.products.tile import add_product, panels

Array = np.ndarray


@kernel
def gated_forward(weights: Packed, traces: Traces, v: Array, V: Array) -> None:
    """v[0 .. N-1] into V (N, batch, d_v), from s[-1] = S[0] and v[-1] = v; G holds the input terms, biases included."""
    S, G = traces
    ticks, batch, d_v = V.shape
    d, row, size, zero = S.shape[2], G.shape[2], G.itemsize, G.dtype.type(0.0)
    external, projected, full = row == 6 * d, weights.q.shape[0] > 0, weights.s.shape[0] > 0
    gates, cr = 5 if external else 4, 4 * d if external else 3 * d
    W_v, W_s, W_cr, W_q = panels(weights.v), panels(weights.s), panels(weights.cr), panels(weights.q)
    room, readouts = np.empty((batch, W_v.width), G.dtype), np.empty((batch, d), G.dtype)
    scratch, q, past = address(room), address(readouts), address(v)
    for n in range(ticks):
        g, s = address(G) + n * batch * row * size, address(S) + n * batch * d * size
        s_next, v_next = s + batch * d * size, address(V) + n * batch * d_v * size
        out = q if projected else v_next
        add_product(zero, (past, d_v), W_v, (g, row), batch, gates * d, scratch)
        if full:
            add_product(zero, (s, d), W_s, (g + d * size, row), batch, (gates - 2) * d, scratch)
        for b in range(batch):
            update(zero, _row(weights, external, d, (g, s, s_next), b * size * row, b * size * d))
        if full:
            add_product(zero, (s_next, d), W_cr, (g + cr * size, row), batch, d, scratch)
        for b in range(batch):
            read(zero, _row(weights, external, d, (g, s, s_next), b * size * row, b * size * d), out + b * size * d)
        past = v_next
        if projected:
            clear_at(zero, batch * d_v, past)
            add_product(zero, (q, d), W_q, (past, d_v), batch, d_v, scratch)
    room[0, 0], readouts[0, 0] = zero, zero  # the memory is in use up to here


@inlined
def _row(weights: Packed, external: bool, d: int, at: tuple[int, int, int], row: int, state: int) -> GateRow:
    """The row of a sequence, so many bytes after the first."""
    diagonal = weights.diagonal.shape[0] > 0
    return GateRow(d, external, diagonal, address(weights.diagonal), at[0] + row, at[1] + state, at[2] + state)


@kernel
def gated_backward(weights: Packed, traces: Traces, bars: Bars, out: Results) -> None:
    """The gradients of the activations and of the start, from those of the results."""
    S, G = traces
    ticks, batch, row = G.shape
    d, d_v, size, zero = S.shape[2], out.v.shape[1], G.itemsize, G.dtype.type(0.0)
    external, projected, full = row == 6 * d, weights.q.shape[0] > 0, weights.s.shape[0] > 0
    cr = 4 * d if external else 3 * d
    W_v, W_s, W_cr, W_q = panels(weights.v), panels(weights.s), panels(weights.cr), panels(weights.q)
    room, readouts = np.empty((batch, W_v.width), G.dtype), np.empty((batch, d), G.dtype)
    scratch, psi, v_out = address(room), address(out.s), address(out.v)
    _start(zero, bars.s, 0, batch * d, psi)
    for i in range(ticks):
        n = ticks - 1 - i
        g, z = address(G) + n * batch * row * size, address(out.Z) + n * batch * row * size
        s, s_next = address(S) + n * batch * d * size, address(S) + (n + 1) * batch * d * size
        kept = n if projected else 0
        chi, q = address(out.chi) + kept * batch * d_v * size, address(out.q) + kept * batch * d * size
        _start(zero, bars.V, n, batch * d_v, chi)
        if i > 0:
            add_product(zero, (z + batch * row * size, row), W_v, (chi, d_v), batch, d_v, scratch)  # L7
        elif len(bars.v):
            for b in range(batch):
                for j in range(d_v):
                    out.chi[kept, b, j] += bars.v[b, j]
        onto = address(readouts) if projected else chi
        if projected:
            clear_at(zero, batch * d, onto)
            add_product(zero, (chi, d_v), W_q, (onto, d), batch, d, scratch)  # X4
        for b in range(batch):
            to, state = b * size * row, b * size * d
            flow = BackRow(z + to, psi + state, onto + state, q + state)
            read_back(zero, _row(weights, external, d, (g, s, s_next), to, state), flow)
        if full:
            add_product(zero, (z + cr * size, row), W_cr, (psi, d), batch, d, scratch)  # L9
        for b in range(batch):
            to, state = b * size * row, b * size * d
            flow = BackRow(z + to, psi + state, onto + state, q + state)
            update_back(zero, _row(weights, external, d, (g, s, s_next), to, state), flow)
        if full:
            add_product(zero, (z + d * size, row), W_s, (psi, d), batch, d, scratch)
    clear_at(zero, batch * d_v, v_out)
    add_product(zero, (address(out.Z), row), W_v, (v_out, d_v), batch, d_v, scratch)
    room[0, 0], readouts[0, 0] = zero, zero  # the memory is in use up to here


@inlined
def _start(zero: float, given: Array, n: int, count: int, to: int) -> None:
    """The n-th ``count`` of the gradients that are given, or zeros."""
    if len(given):
        source = address(given) + n * count * given.itemsize
        for j in range(count):
            put_as(zero, to, j, get_as(zero, source, j))
    else:
        clear_at(zero, count, to)
