"""What an LSTM does to each number at a tick, between its products, forward and backward.

Uses: L1 to L6, L8 to L10, X2, X5, X6.  A row of gates holds du, cu, cs, cr, each d numbers, or du, cu, cs, cx, cr, xi
with an external gate, where xi is the input term of du; a row of gradients stands like it. A row of diagonal peepholes
holds those of cu, cs, cx and cr, of which there is none where they are not ``diagonal``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ode2rnn.kernels.compiling import inlined
from ode2rnn.kernels.elementwise.activations import sigmoid, tanh
from ode2rnn.kernels.elementwise.vectors import length, load_like, single, store, widest

Vector = Any


class GateRow(NamedTuple):
    """Where one sequence has what belongs to a tick, all by addresses.

    Attributes:
        d: number of states.
        external, diagonal: whether there is a gate cx; diagonal peepholes.
        peepholes: the diagonal ones.
        gates: G of the tick.
        s, s_next: s[n-1] and s[n].
    """

    d: int
    external: bool
    diagonal: bool
    peepholes: int
    gates: int
    s: int
    s_next: int


class BackRow(NamedTuple):
    """What the backward pass adds to it: the row of gradients, psi, the gradient of q (L8), and q itself (X4)."""

    z: int
    psi: int
    q_bar: int
    q: int


@inlined
def _cr(row: GateRow) -> int:
    """Where the gate cr begins in a row of gates, and in one of peepholes one d before."""
    return 4 * row.d if row.external else 3 * row.d


@inlined
def _update(like: Vector, row: GateRow, j: int) -> int:
    g, d = row.gates, row.d
    s, cu, cs = load_like(like, row.s, j), load_like(like, g, d + j), load_like(like, g, 2 * d + j)
    du = load_like(like, g, j)
    if row.diagonal:
        cu, cs = cu + load_like(like, row.peepholes, j) * s, cs + load_like(like, row.peepholes, d + j) * s
    g_cu, g_cs = sigmoid(cu), sigmoid(cs)  # L1, L2
    if row.external:
        cx = load_like(like, g, 3 * d + j)
        if row.diagonal:
            cx = cx + load_like(like, row.peepholes, 2 * d + j) * s
        g_cx = sigmoid(cx)
        store(g, 3 * d + j, g_cx)
        du = du + g_cx * load_like(like, g, 5 * d + j)  # X2
    u = tanh(du)  # L3
    store(g, j, u)
    store(g, d + j, g_cu)
    store(g, 2 * d + j, g_cs)
    store(row.s_next, j, g_cs * s + g_cu * u)  # L4
    return j + length(like)


@inlined
def update(zero: float, row: GateRow) -> None:
    """Activations to gates in place, but that of the readout, and the next state."""
    j, wide, one = 0, widest(zero), single(zero)
    while j + length(wide) <= row.d:
        j = _update(wide, row, j)
    while j < row.d:
        j = _update(one, row, j)


@inlined
def _read(like: Vector, row: GateRow, v: int, j: int) -> int:
    at = _cr(row) + j
    s, cr = load_like(like, row.s_next, j), load_like(like, row.gates, at)
    if row.diagonal:
        cr = cr + load_like(like, row.peepholes, at - row.d) * s
    g_cr = sigmoid(cr)  # L5
    store(row.gates, at, g_cr)
    store(v, j, g_cr * tanh(s))  # L6
    return j + length(like)


@inlined
def read(zero: float, row: GateRow, v: int) -> None:
    """The readout gate in place, and the gated readout."""
    j, wide, one = 0, widest(zero), single(zero)
    while j + length(wide) <= row.d:
        j = _read(wide, row, v, j)
    while j < row.d:
        j = _read(one, row, v, j)


@inlined
def _read_back(like: Vector, row: GateRow, flow: BackRow, j: int) -> int:
    at = _cr(row) + j
    s, g, q_bar = load_like(like, row.s_next, j), load_like(like, row.gates, at), load_like(like, flow.q_bar, j)
    r = tanh(s)
    store(flow.q, j, g * r)
    rho = q_bar * g
    z = (rho * r) * (1.0 - g)
    psi = load_like(like, flow.psi, j) + rho * (1.0 - r * r)
    if row.diagonal:
        psi = psi + load_like(like, row.peepholes, at - row.d) * z
    store(flow.z, at, z)
    store(flow.psi, j, psi)
    return j + length(like)


@inlined
def read_back(zero: float, row: GateRow, flow: BackRow) -> None:
    """dalpha_cr, and psi for what was the error flow from the next tick (L8, L9); q is the readout again."""
    j, wide, one = 0, widest(zero), single(zero)
    while j + length(wide) <= row.d:
        j = _read_back(wide, row, flow, j)
    while j < row.d:
        j = _read_back(one, row, flow, j)


@inlined
def _update_back(like: Vector, row: GateRow, flow: BackRow, j: int) -> int:
    g, d, z = row.gates, row.d, flow.z
    psi, s, u = load_like(like, flow.psi, j), load_like(like, row.s, j), load_like(like, g, j)
    g_cu, g_cs = load_like(like, g, d + j), load_like(like, g, 2 * d + j)
    onward = psi * g_cs
    z_cu, z_cs = (psi * u) * g_cu * (1.0 - g_cu), (onward * s) * (1.0 - g_cs)
    z_du = psi * g_cu * (1.0 - u * u)
    store(z, j, z_du)
    store(z, d + j, z_cu)
    store(z, 2 * d + j, z_cs)
    if row.diagonal:
        onward = onward + (load_like(like, row.peepholes, j) * z_cu + load_like(like, row.peepholes, d + j) * z_cs)
    if row.external:
        g_cx = load_like(like, g, 3 * d + j)
        z_xi = z_du * g_cx
        z_cx = z_xi * load_like(like, g, 5 * d + j) * (1.0 - g_cx)
        store(z, 5 * d + j, z_xi)
        store(z, 3 * d + j, z_cx)
        if row.diagonal:
            onward = onward + load_like(like, row.peepholes, 2 * d + j) * z_cx
    store(flow.psi, j, onward)
    return j + length(like)


@inlined
def update_back(zero: float, row: GateRow, flow: BackRow) -> None:
    """dalpha of the other gates, and psi becomes the error flow to the tick before (L10, X6)."""
    j, wide, one = 0, widest(zero), single(zero)
    while j + length(wide) <= row.d:
        j = _update_back(wide, row, flow, j)
    while j < row.d:
        j = _update_back(one, row, flow, j)
