"""Back-propagation through the Augmented LSTM, where it differs from the Vanilla LSTM.

Home of: X4, X5, X6, X7.  Source: "Extensions to the Vanilla LSTM Network" (backward pass).

X4  chi[n] as L7 plus W_vcx^T dalpha_cx[n+1];   dq[n] = W_qdr^T chi[n];   dE/dW_qdr = sum chi[n] q[n]^T
X5  rho[n] = dq[n] * g_cr[n];   dalpha_cr[n] = dq[n] * r[n] * G_c'(alpha_cr[n]);
    psi[n] as L9 plus W_scx^T dalpha_cx[n+1]
X6  dalpha_cx[n] = dalpha_du[n] * xi_du[n] * G_c'(alpha_cx[n]);   dxi_du[n] = dalpha_du[n] * g_cx[n];
    dxi_? = dalpha_? for the gates
X7  dE/dW_x?(l) = sum_n dxi_?[n] x[n+l]^T
"""

from __future__ import annotations

from ode2rnn.core.arrays import Array, stack
from ode2rnn.gated.augmented import AugmentedLSTM, shifted
from ode2rnn.gated.cell import Gates, LSTMState
from ode2rnn.gated.vanilla_backward import Errors, gathered, outer, peephole_bar, through, total


def errors(
    cell: AugmentedLSTM, past: LSTMState, now: Gates, v_bar: Array, s_bar: Array | None, length: int
) -> tuple[Errors, LSTMState]:
    """All errors of a run, and dE/ds[-1] and dE/dv[-1] (X4 to X6); the arguments as for the Vanilla LSTM."""
    slope_cu, slope_cs, slope_cr = (g * (1 - g) for g in (now.g_cu, now.g_cs, now.g_cr))
    slope_du, slope_s = 1 - now.u**2, 1 - now.r**2
    slope_cx = None if now.g_cx is None else now.g_cx * (1 - now.g_cx)
    nothing = LSTMState(0 * past.s[0], 0 * past.v[0])
    found: list[Errors] = []
    later = nothing
    for n in reversed(range(len(now.s))):
        if (n + 1) % length == 0:
            later = nothing
        chi = v_bar[n] + later.v  # X4
        q = chi if cell.W_qdr is None else chi @ cell.W_qdr
        rho = q * now.g_cr[n]  # X5
        cr = q * now.r[n] * slope_cr[n]
        psi = rho * slope_s[n] + through(cell.W_scr, cr) + later.s
        if s_bar is not None:
            psi = psi + s_bar[n]
        cs = psi * past.s[n] * slope_cs[n]  # L10
        cu = psi * now.u[n] * slope_cu[n]
        du = psi * now.g_cu[n] * slope_du[n]
        to_s = through(cell.W_scu, cu) + through(cell.W_scs, cs) + now.g_cs[n] * psi
        to_v = cu @ cell.W_vcu + cs @ cell.W_vcs + cr @ cell.W_vcr + du @ cell.W_vdu
        cx, xi_du = None, du
        if slope_cx is not None and now.g_cx is not None:
            cx, xi_du = du * now.xi_du[n] * slope_cx[n], du * now.g_cx[n]  # X6
            to_s, to_v = to_s + through(cell.W_scx, cx), to_v + cx @ cell.W_vcx
        found.append(Errors(chi, psi, cu, cs, du, cr, q, cx, xi_du))
        later = LSTMState(to_s, to_v)
    return gathered(found), later


def gradients(cell: AugmentedLSTM, past: LSTMState, now: Gates, x: Array, e: Errors) -> dict[str, Array | None]:
    """dE by every weight, by letter (L11, X4, X7); ``x`` as `prepare` cut it out, over the whole batch."""
    sums: dict[str, Array | None] = {"W_qdr": None if cell.W_qdr is None else outer(e.chi, now.q)}
    for gate, error in (("cu", e.cu), ("cs", e.cs), ("du", e.du), ("cr", e.cr), ("cx", e.cx)):
        if error is None:
            continue
        sums[f"W_x{gate}"] = window_bar(cell, e.xi_du if gate == "du" else error, x)
        sums[f"W_v{gate}"] = outer(error, past.v)
        sums[f"b_{gate}"] = total(error)
        if gate != "du":
            sums[f"W_s{gate}"] = peephole_bar(getattr(cell, f"W_s{gate}"), error, now.s if gate == "cr" else past.s)
    return sums


def window_bar(cell: AugmentedLSTM, error: Array, x: Array) -> Array:
    """dE/dW_x?(l) for every l (X7), of the shape of W_x?."""
    if cell.context > 1:
        return stack([outer(error, x[..., lead, :]) for lead in range(cell.context)])
    return outer(error, x).reshape(tuple(cell.W_xcu.shape))


def input_bar(cell: AugmentedLSTM, e: Errors) -> Array:
    """dE/dx[n] (N, ..., m): x[n] is seen at n+behind, ..., n-ahead."""
    whole = 0 * e.psi[..., :1]
    for lead in range(cell.context):
        reached = 0 * whole
        for error, W in ((e.cu, cell.W_xcu), (e.cs, cell.W_xcs), (e.xi_du, cell.W_xdu), (e.cr, cell.W_xcr)):
            reached = reached + error @ (W if W.ndim == 2 else W[lead])
        if e.cx is not None and cell.W_xcx is not None:
            reached = reached + e.cx @ (cell.W_xcx if cell.W_xcx.ndim == 2 else cell.W_xcx[lead])
        whole = whole + shifted(reached, cell.behind - lead)
    return whole
