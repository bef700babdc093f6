"""Back-propagation through the Vanilla LSTM, as the paper writes it.

Home of: L7, L8, L9, L10, L11.  Source: "The Vanilla LSTM Network Mechanism in Detail" (backward pass).

L7   chi[n] = (partial E / partial v[n])
              + W_vcu^T dalpha_cu[n+1] + W_vcs^T dalpha_cs[n+1] + W_vcr^T dalpha_cr[n+1] + W_vdu^T dalpha_du[n+1]
L8   rho[n] = chi[n] * g_cr[n],   dalpha_cr[n] = chi[n] * r[n] * G_c'(alpha_cr[n])
L9   psi[n] = rho[n] * G_d'(s[n]) + W_scr^T dalpha_cr[n]
              + W_scu^T dalpha_cu[n+1] + W_scs^T dalpha_cs[n+1] + g_cs[n+1] * psi[n+1]
L10  dalpha_cs[n] = psi[n] * s[n-1] * G_c'(alpha_cs[n]),   dalpha_cu[n] = psi[n] * u[n] * G_c'(alpha_cu[n]),
     dalpha_du[n] = psi[n] * g_cu[n] * G_d'(alpha_du[n])
L11  dE/dW_x? = sum dalpha_?[n] x[n]^T,   dE/dW_v? = sum dalpha_?[n] v[n-1]^T,   dE/db_? = sum dalpha_?[n],
     dE/dW_s? = sum dalpha_?[n] s[n-1]^T (s[n] for cr)

n = N-1 .. 0, and all terms of index N are zero. chi is dE/dv, psi is dE/ds, and dalpha_? is dE/dalpha_?. The slopes
come from the values: G_c' = g (1 - g), G_d' = 1 - u^2. With a batch the vectors are rows: W^T dalpha is dalpha W.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ode2rnn.core.arrays import Array, stack
from ode2rnn.gated.cell import Gates, LSTMState
from ode2rnn.gated.vanilla import VanillaLSTM


class Errors(NamedTuple):
    """dE by everything that the cell computes, for one tick (..., d) or for all of them (N, ..., d).

    Attributes:
        chi, psi: dE/dv (..., d_v) and dE/ds.
        cu, cs, du, cr: dE/dalpha_cu, dE/dalpha_cs, dE/dalpha_du, dE/dalpha_cr.
        q: dE/dq, before the projection; chi itself where there is none.
        cx: dE/dalpha_cx of the external input gate, None where there is none.
        xi_du: dE/dxi_du, by the input term of the data update; dE/dalpha_du where there is no external input gate.
    """

    chi: Array
    psi: Array
    cu: Array
    cs: Array
    du: Array
    cr: Array
    q: Array
    cx: Array | None
    xi_du: Array


def errors(
    cell: VanillaLSTM, past: LSTMState, now: Gates, v_bar: Array, s_bar: Array | None, length: int
) -> tuple[Errors, LSTMState]:
    """All errors of a run, and dE/ds[-1] and dE/dv[-1] (L7 to L10).

    ``past`` and ``now`` as `replay` returns them; ``v_bar``, ``s_bar`` the partial derivatives of E by v and s
    (None for zero); the errors are cut at the end of every ``length`` samples.
    """
    slope_cu, slope_cs, slope_cr = (g * (1 - g) for g in (now.g_cu, now.g_cs, now.g_cr))
    slope_du, slope_s = 1 - now.u**2, 1 - now.r**2
    nothing = LSTMState(0 * past.s[0], 0 * past.v[0])
    found: list[Errors] = []
    later = nothing
    for n in reversed(range(len(now.s))):
        if (n + 1) % length == 0:
            later = nothing
        chi = v_bar[n] + later.v  # L7
        rho = chi * now.g_cr[n]  # L8
        cr = chi * now.r[n] * slope_cr[n]
        psi = rho * slope_s[n] + through(cell.W_scr, cr) + later.s  # L9
        if s_bar is not None:
            psi = psi + s_bar[n]
        cs = psi * past.s[n] * slope_cs[n]  # L10
        cu = psi * now.u[n] * slope_cu[n]
        du = psi * now.g_cu[n] * slope_du[n]
        found.append(Errors(chi, psi, cu, cs, du, cr, chi, None, du))
        later = LSTMState(
            through(cell.W_scu, cu) + through(cell.W_scs, cs) + now.g_cs[n] * psi,
            cu @ cell.W_vcu + cs @ cell.W_vcs + cr @ cell.W_vcr + du @ cell.W_vdu,
        )
    return gathered(found), later


def gradients(cell: VanillaLSTM, past: LSTMState, now: Gates, x: Array, e: Errors) -> dict[str, Array | None]:
    """dE by every weight, by letter (L11); ``x`` (N, ..., m) with the whole batch of the states."""
    sums: dict[str, Array | None] = {}
    for gate, error in (("cu", e.cu), ("cs", e.cs), ("du", e.du), ("cr", e.cr)):
        sums[f"W_x{gate}"] = outer(error, x)
        sums[f"W_v{gate}"] = outer(error, past.v)
        sums[f"b_{gate}"] = total(error)
        if gate != "du":
            sums[f"W_s{gate}"] = peephole_bar(getattr(cell, f"W_s{gate}"), error, now.s if gate == "cr" else past.s)
    return sums


def input_bar(cell: VanillaLSTM, e: Errors) -> Array:
    """dE/dx[n], (N, ..., m)."""
    return e.cu @ cell.W_xcu + e.cs @ cell.W_xcs + e.du @ cell.W_xdu + e.cr @ cell.W_xcr


def gathered(found: list[Errors]) -> Errors:
    """The errors of all ticks, from those of each, the last tick first."""
    columns: list[Any] = [
        None if column[0] is None else stack(list(reversed(column))) for column in zip(*found, strict=True)
    ]
    return Errors(*columns)


def through(W: Array | None, error: Array) -> Array | float:
    """W_s^T dalpha, for a full, a diagonal or no peephole."""
    if W is None:
        return 0.0
    return error * W if W.ndim == 1 else error @ W


def outer(error: Array, values: Array) -> Array:
    """sum over ticks and batch of error values^T."""
    return error.reshape((-1, error.shape[-1])).T @ values.reshape((-1, values.shape[-1]))


def total(error: Array) -> Array:
    """sum over ticks and batch."""
    return error.reshape((-1, error.shape[-1])).sum(0)


def peephole_bar(W: Array | None, error: Array, s: Array) -> Array | None:
    """dE by a full, a diagonal or no peephole."""
    if W is None:
        return None
    return total(error * s) if W.ndim == 1 else outer(error, s)
