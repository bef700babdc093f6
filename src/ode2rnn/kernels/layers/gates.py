"""What an LSTM does to each number at a tick, between its products, forward and backward.

Uses: L1 to L6, L8 to L10, X2, X5, X6.  Every pass is there with and without the external gate cx and the diagonal
peepholes, as ``pass_[external][diagonal]``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ode2rnn.kernels.elementwise.simd import over_rows, sigmoid, tanh


def _update(external: bool, diagonal: bool) -> Any:
    """Activations to gates in place, and the next state; with an external gate xi is the input term of du."""
    names = ["du", "cu", "cs", "s", "s_next", *(["cx", "xi"] if external else [])]
    peepholes = ["p_cu", "p_cs", *(["p_cx"] if external else [])] if diagonal else []

    def body(at: SimpleNamespace) -> None:
        s, du, cu, cs = at.s.get(), at.du.get(), at.cu.get(), at.cs.get()
        if diagonal:
            cu, cs = cu + at.p_cu.get() * s, cs + at.p_cs.get() * s
        g_cu, g_cs = sigmoid(cu), sigmoid(cs)  # L1, L2
        if external:
            cx = at.cx.get()
            g_cx = sigmoid(cx + at.p_cx.get() * s if diagonal else cx)
            at.cx.put(g_cx)
            du = du + g_cx * at.xi.get()  # X2
        u = tanh(du)  # L3
        at.cu.put(g_cu)
        at.cs.put(g_cs)
        at.du.put(u)
        at.s_next.put(g_cs * s + g_cu * u)  # L4

    return over_rows([*names, *peepholes], body)


def _read(diagonal: bool) -> Any:
    """The readout gate in place, and the gated readout."""

    def body(at: SimpleNamespace) -> None:
        s, cr = at.s.get(), at.cr.get()
        g_cr = sigmoid(cr + at.p_cr.get() * s if diagonal else cr)  # L5
        at.cr.put(g_cr)
        at.v.put(g_cr * tanh(s))  # L6

    return over_rows(["cr", "s", "v", *(["p_cr"] if diagonal else [])], body)


def _read_back(diagonal: bool) -> Any:
    """dalpha_cr, and psi for what was the error flow from the next tick (L8, L9); q is the readout again."""

    def body(at: SimpleNamespace) -> None:
        s, g, q_bar = at.s.get(), at.cr.get(), at.q_bar.get()
        r = tanh(s)
        at.q.put(g * r)
        rho = q_bar * g
        z = (rho * r) * (1.0 - g)
        at.z_cr.put(z)
        psi = at.psi.get() + rho * (1.0 - r * r)
        if diagonal:
            psi = psi + at.p_cr.get() * z
            at.sum_cr.put(at.sum_cr.get() + z * s)
        at.psi.put(psi)

    return over_rows(["q_bar", "cr", "s", "z_cr", "psi", "q", *(["p_cr", "sum_cr"] if diagonal else [])], body)


def _update_back(external: bool, diagonal: bool) -> Any:
    """dalpha of the other gates, and psi becomes the error flow to the tick before (L10, X6)."""
    names = ["psi", "s", "du", "cu", "cs", "z_du", "z_cu", "z_cs", *(["cx", "xi", "z_cx", "z_xi"] if external else [])]
    peepholes = ["p_cu", "p_cs", "sum_cu", "sum_cs", *(["p_cx", "sum_cx"] if external else [])] if diagonal else []

    def body(at: SimpleNamespace) -> None:
        psi, s, u, g_cu, g_cs = at.psi.get(), at.s.get(), at.du.get(), at.cu.get(), at.cs.get()
        flow = psi * g_cs
        z_cu, z_cs = (psi * u) * g_cu * (1.0 - g_cu), (flow * s) * (1.0 - g_cs)
        z_du = psi * g_cu * (1.0 - u * u)
        at.z_cu.put(z_cu)
        at.z_cs.put(z_cs)
        at.z_du.put(z_du)
        if diagonal:
            flow = flow + (at.p_cu.get() * z_cu + at.p_cs.get() * z_cs)
            at.sum_cu.put(at.sum_cu.get() + z_cu * s)
            at.sum_cs.put(at.sum_cs.get() + z_cs * s)
        if external:
            g_cx = at.cx.get()
            z_xi = z_du * g_cx
            z_cx = z_xi * at.xi.get() * (1.0 - g_cx)
            at.z_xi.put(z_xi)
            at.z_cx.put(z_cx)
            if diagonal:
                flow = flow + at.p_cx.get() * z_cx
                at.sum_cx.put(at.sum_cx.get() + z_cx * s)
        at.psi.put(flow)

    return over_rows([*names, *peepholes], body)


def _copy(at: SimpleNamespace) -> None:
    at.to.put(at.out_of.get())


def _add(at: SimpleNamespace) -> None:
    at.to.put(at.to.get() + at.out_of.get())


add = over_rows(["out_of", "to"], _add)
copy = over_rows(["out_of", "to"], _copy)
copy_by_8 = over_rows(["out_of", "to"], _copy, 8)
update, update_d = _update(False, False), _update(False, True)
update_x, update_xd = _update(True, False), _update(True, True)
read, read_d = _read(False), _read(True)
read_back, read_back_d = _read_back(False), _read_back(True)
update_back, update_back_d = _update_back(False, False), _update_back(False, True)
update_back_x, update_back_xd = _update_back(True, False), _update_back(True, True)
