"""One tick of an LSTM, plain or augmented, with its tangent and its cotangent.

Home of: L7, L8, L9, L10, L11, X4, X5, X6, X7.  Source: "The Vanilla LSTM Network Mechanism in Detail" and
"Extensions to the Vanilla LSTM Network" (backward passes).

L7   chi[n] = (partial E / partial v[n])
              + W_vcu^T dalpha_cu[n+1] + W_vcs^T dalpha_cs[n+1] + W_vcr^T dalpha_cr[n+1] + W_vdu^T dalpha_du[n+1]
L8   rho[n] = chi[n] * g_cr[n],   dalpha_cr[n] = chi[n] * r[n] * G_c'(alpha_cr[n])
L9   psi[n] = rho[n] * G_d'(s[n]) + W_scr^T dalpha_cr[n]
              + W_scu^T dalpha_cu[n+1] + W_scs^T dalpha_cs[n+1] + g_cs[n+1] * psi[n+1]
L10  dalpha_cs[n] = psi[n] * s[n-1] * G_c'(alpha_cs[n]),   dalpha_cu[n] = psi[n] * u[n] * G_c'(alpha_cu[n]),
     dalpha_du[n] = psi[n] * g_cu[n] * G_d'(alpha_du[n])
L11  dE/dW_x? = sum dalpha_?[n] x[n]^T,   dE/dW_v? = sum dalpha_?[n] v[n-1]^T,   dE/db_? = sum dalpha_?[n],
     dE/dW_s? = sum dalpha_?[n] s[n-1]^T (s[n] for cr)
X4   chi[n] as L7 plus W_vcx^T dalpha_cx[n+1];   dq[n] = W_qdr^T chi[n];   dE/dW_qdr = sum chi[n] q[n]^T
X5   rho[n] = dq[n] * g_cr[n];   dalpha_cr[n] = dq[n] * r[n] * G_c'(alpha_cr[n]);
     psi[n] as L9 plus W_scx^T dalpha_cx[n+1]
X6   dalpha_cx[n] = dalpha_du[n] * xi_du[n] * G_c'(alpha_cx[n]);   dxi_du[n] = dalpha_du[n] * g_cx[n];
     dxi_? = dalpha_? for the gates
X7   dE/dW_x?(l) = sum_n dxi_?[n] x[n+l]^T

n = N-1 .. 0, and all terms of index N are zero. chi is dE/dv, psi is dE/ds, dalpha_? is dE/dalpha_?; with a batch the
vectors are rows, W^T dalpha is dalpha W. The terms of index n+1 are what the cotangent of tick n+1 hands back.
The tangent has the same factors: ds[n] = g_cs * ds[n-1] + sum (ds[n]/dalpha_?) * dalpha_?, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import Array, check_positive, concatenate, is_torch
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.gated.cell import (
    GatedCell,
    Gates,
    LSTMState,
    StateAndReadout,
    check_warpings,
    outer,
    peephole_bar,
    seen,
    slope_of,
    through,
    total,
)


class Columns(NamedTuple):
    """Something of every activation, each (..., d); cx None without external input gate."""

    cu: Array
    cs: Array
    du: Array
    cr: Array
    cx: Array | None = None


GATES = Columns._fields


class Factors(NamedTuple):
    """What the results of a tick make of what they depend on, one number a unit, (..., d).

    Attributes:
        keep: ds[n] / ds[n-1] along the state alone: g_cs (T7).
        cu, cs, du: ds[n] / dalpha_cu, ds[n] / dalpha_cs, ds[n] / dalpha_du.
        cr, s: dq[n] / dalpha_cr and dq[n] / ds[n].
        cx, xi: dalpha_du / dalpha_cx and dalpha_du / dxi_du = g_cx; None without external input gate.
    """

    keep: Array
    cu: Array
    cs: Array
    du: Array
    cr: Array
    s: Array
    cx: Array | None = None
    xi: Array | None = None


class Errors(NamedTuple):
    """dE by what a tick computes (L7 to L10, X4 to X6).

    Attributes:
        psi, chi: dE/ds[n] and dE/dv[n] (..., d_v).
        alpha: dE/dalpha_?.
    """

    psi: Array
    chi: Array
    alpha: Columns


class LSTMCell(GatedCell, StateAndReadout):
    """An LSTM by its letters; what is None is switched off."""

    W_xcu: Array
    W_scu: Array | None
    W_vcu: Array
    b_cu: Array
    W_scs: Array | None
    W_scr: Array | None
    dt: float
    activation: str | Activation
    recurrent_activation: str | Activation
    # the extensions, which a Vanilla LSTM does not have
    W_scx: Array | None = None
    b_cx: Array | None = None
    W_qdr: Array | None = None

    def _settle(self, weights: Mapping[str, Array | None]) -> None:
        """Set the checked ``weights``; check dt and the warpings."""
        warpings = check_warpings(self.activation, self.recurrent_activation, weights["b_cu"])
        for name, value in {**weights, **warpings, "dt": check_positive("dt", self.dt)}.items():
            object.__setattr__(self, name, value)

    @property
    def like(self) -> Array:
        """An array of the cell's kind, one entry a state."""
        return self.b_cu

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return int(self.b_cu.shape[0])

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return int(self.W_xcu.shape[-1])

    @property
    def context(self) -> int:
        """L, the samples of the input that a tick sees."""
        return 1 if self.W_xcu.ndim == 2 else int(self.W_xcu.shape[0])

    def states_of(self, trajectory: Trajectory) -> LSTMState:
        """s[n] and v[n] of a run."""
        return LSTMState(trajectory.s, trajectory.r)

    # -- the tick

    def tick(self, past: LSTMState, x: Array) -> Gates:
        """Everything at n, from s[n-1], v[n-1] and what `prepare` makes of the input (L1 to L6, X1 to X3)."""
        return self._ticked(past, x)[0]

    def remember(self, s: Callable[[int], Array], v: Callable[[int], Array]) -> LSTMState:
        """The state of a cell whose past is known: s(-1) and v(-1)."""
        return LSTMState(s(-1), v(-1))

    def step(self, state: LSTMState, x: Array | None) -> LSTMState:
        """One tick: s[n] and v[n] after the input ``x``."""
        now = self._ticked(state, x)[0]
        return LSTMState(now.s, now.v)

    def _ticked(self, past: LSTMState, x: Array | None) -> tuple[Gates, Columns]:
        """Everything at n, and the activations alpha_?."""
        G_c, G_d = as_activation(self.recurrent_activation).value, as_activation(self.activation).value
        alpha, xi_du = self.activations(past, x)
        g_cu, g_cs = G_c(alpha.cu), G_c(alpha.cs)
        g_cx, alpha_du = None, alpha.du
        if alpha.cx is not None:  # the external gate takes hold of the input term alone (X2)
            g_cx = G_c(alpha.cx)
            alpha_du = alpha_du + g_cx * xi_du
        u = G_d(alpha_du)
        s = g_cs * past.s + g_cu * u
        r = G_d(s)
        alpha_cr = seen(self.W_scr, s, alpha.cr)  # this peephole sees s[n]
        g_cr = G_c(alpha_cr)
        q = g_cr * r
        v = q if self.W_qdr is None else q @ self.W_qdr.T
        now = Gates(g_cu, g_cs, g_cr, u, s, r, v, q, g_cx, xi_du)
        return now, Columns(alpha.cu, alpha.cs, alpha_du, alpha_cr, alpha.cx)

    def activations(self, past: LSTMState, x: Array | None) -> tuple[Columns, Array]:
        """alpha_? without what s[n] and the external gate add (L1 to L3, L5, X2), and xi_du; None is zero input."""
        s, v = past
        sums, xi_du = self._sums(v, x, bias=True)
        cx = None if sums.cx is None else seen(self.W_scx, s, sums.cx)
        return Columns(seen(self.W_scu, s, sums.cu), seen(self.W_scs, s, sums.cs), sums.du, sums.cr, cx), xi_du

    def step_jvp(self, state: LSTMState, x: Array | None, d_state: LSTMState, d_x: Array | None = None) -> LSTMState:
        """The tangent of a tick: ds[n] and dv[n] along directions of s[n-1], v[n-1] and the input."""
        return self.moved(self._factors(state, x)[0], d_state.s, d_state, d_x)

    def step_with_jvp(self, state: LSTMState, x: Array | None, d_state: LSTMState) -> tuple[LSTMState, LSTMState]:
        """A tick and its tangent, from the same gates."""
        factors, now = self._factors(state, x)
        return LSTMState(now.s, now.v), self.moved(factors, d_state.s, d_state, None)

    def step_vjp(self, state: LSTMState, x: Array | None, bar: LSTMState) -> tuple[LSTMState, Array | None, Self]:
        """The cotangent of a tick: the terms of index n+1 in L7, L9, X4, X5, dE/dx of the window, and L11, X7."""
        factors, now = self._factors(state, x)
        e = self.errors_of(factors, bar)
        past_bar, x_bar, sums = self.passed_back(factors, e, state, now, x)
        return past_bar._replace(s=past_bar.s + factors.keep * e.psi), x_bar, self.with_weights(sums)

    def errors(self, state: LSTMState, x: Array | None, bar: LSTMState) -> tuple[Array, Array]:
        """psi[n] (L9, X5) and chi[n] (L7, X4), from the state before tick n and the cotangent of that after it."""
        e = self.errors_of(self._factors(state, x)[0], bar)
        return e.psi, e.chi

    def carousel(self, state: LSTMState, x: Array | None) -> Array:
        """g_cs[n], by which the state alone is carried (T7)."""
        return self._ticked(state, x)[0].g_cs

    def _factors(self, past: LSTMState, x: Array | None) -> tuple[Factors, Gates]:
        """What a tick makes of small changes, and everything at n."""
        G_c, G_d = as_activation(self.recurrent_activation), as_activation(self.activation)
        now, alpha = self._ticked(past, x)
        factors = Factors(
            keep=now.g_cs,
            cu=now.u * slope_of(G_c, now.g_cu, alpha.cu),
            cs=past.s * slope_of(G_c, now.g_cs, alpha.cs),
            du=now.g_cu * slope_of(G_d, now.u, alpha.du),
            cr=now.r * slope_of(G_c, now.g_cr, alpha.cr),
            s=now.g_cr * slope_of(G_d, now.r, now.s),
        )
        if now.g_cx is not None:
            factors = factors._replace(cx=now.xi_du * slope_of(G_c, now.g_cx, alpha.cx), xi=now.g_cx)
        return factors, now

    def moved(self, f: Factors, d_kept: Array, d_past: LSTMState, d_x: Array | None) -> LSTMState:
        """ds[n] and dv[n] along directions of the s that is kept, of the s and v that gates see, and of the input."""
        ds, dv = d_past
        sums, xi_du = self._sums(dv, d_x)
        d_du = sums.du if f.xi is None else sums.du + f.xi * xi_du + f.cx * seen(self.W_scx, ds, sums.cx)
        d_cu, d_cs = seen(self.W_scu, ds, sums.cu), seen(self.W_scs, ds, sums.cs)
        s = f.keep * d_kept + f.cu * d_cu + f.cs * d_cs + f.du * d_du
        q = f.cr * seen(self.W_scr, s, sums.cr) + f.s * s
        return LSTMState(s, q if self.W_qdr is None else q @ self.W_qdr.T)

    def errors_of(self, f: Factors, bar: LSTMState) -> Errors:
        """L7 to L10, X4 to X6, from dE by s[n] and v[n] without what s[n] gives v[n] within the tick."""
        chi = bar.v
        q = chi if self.W_qdr is None else chi @ self.W_qdr
        cr = q * f.cr
        psi = bar.s + q * f.s + through(self.W_scr, cr)
        du = psi * f.du
        return Errors(psi, chi, Columns(psi * f.cu, psi * f.cs, du, cr, None if f.cx is None else du * f.cx))

    def passed_back(
        self, f: Factors, e: Errors, past: LSTMState, now: Gates, x: Array | None
    ) -> tuple[LSTMState, Array | None, dict[str, Array]]:
        """dE by ``past``, the s and v that the gates saw, by the input, and by every weight (L11, X4, X7)."""
        alpha, s_bar = e.alpha, 0 * e.psi
        sums: dict[str, Array | None] = {"W_qdr": None if self.W_qdr is None else outer(e.chi, now.q)}
        for gate, W, error, s in (
            ("cu", self.W_scu, alpha.cu, past.s),
            ("cs", self.W_scs, alpha.cs, past.s),
            ("cx", self.W_scx, alpha.cx, past.s),
            ("cr", self.W_scr, alpha.cr, now.s),
        ):
            if W is not None:
                sums[f"W_s{gate}"] = peephole_bar(W, error, s)
                s_bar = s_bar if gate == "cr" else s_bar + through(W, error)
        # the external gate stands between the input and alpha_du
        xi = alpha if f.xi is None else alpha._replace(du=alpha.du * f.xi)
        of_v, of_x = self._outers(alpha, past.v), None if x is None else self._outers(xi, self._flat(x))
        for k, gate in enumerate(self._gates):
            W = getattr(self, f"W_x{gate}")
            sums[f"b_{gate}"], sums[f"W_v{gate}"] = total(alpha[k]), of_v[k]
            sums[f"W_x{gate}"] = 0 * W if of_x is None else self._windowed(of_x[k], tuple(W.shape))
        x_bar = None
        if x is not None:
            x_bar = self._pulled("W_x", xi)
            x_bar = x_bar.reshape((*x_bar.shape[:-1], *x.shape[x.ndim - (1 if self.context == 1 else 2) :]))
        found = {name: value for name, value in sums.items() if value is not None}
        return LSTMState(s_bar, self._pulled("W_v", alpha)), x_bar, found

    # -- products with the weights of all gates: at once in NumPy; gate by gate in torch, where no copy must outlive a
    #    change of the weights or of what records gradients

    @property
    def _gates(self) -> tuple[str, ...]:
        return GATES if self.b_cx is not None else GATES[:-1]

    def _rows(self, kind: str) -> list[Array]:
        """The weights of every gate, (d, n); those of a window side by side."""
        matrices = [getattr(self, kind + gate) for gate in self._gates]
        return [W if W.ndim < 3 else W.swapaxes(0, 1).reshape((self.width, -1)) for W in matrices]

    @cached_property
    def _stacked(self) -> dict[str, np.ndarray]:
        """The same of all gates side by side, (n, gates * d), and the biases."""
        return {kind: np.ascontiguousarray(np.concatenate(self._rows(kind)).T) for kind in ("W_x", "W_v", "b_")}

    def _sums(self, v: Array, x: Array | None, bias: bool = False) -> tuple[Columns, Array]:
        """W_v? v + W_x? x, and b_? where asked, of every gate, but where g_cx controls it without xi_du; and xi_du."""
        d, du = self.width, GATES.index("du")
        if is_torch(self.b_cu):
            xi = None if x is None else [windowed(getattr(self, f"W_x{g}"), x) for g in self._gates]
            sums = [v @ W.T for W in self._rows("W_v")]
            for k, b in enumerate(self._rows("b_")):
                if xi is not None and (k != du or self.b_cx is None):
                    sums[k] = xi[k] + sums[k]
                sums[k] = sums[k] + b if bias else sums[k]
            return Columns(*sums), 0 * sums[du] if xi is None else xi[du]
        whole = v @ self._stacked["W_v"]
        if bias:
            whole = whole + self._stacked["b_"]
        if x is None:
            return self._split(whole), 0 * whole[..., :d]
        inputs = self._flat(x) @ self._stacked["W_x"]
        own, both = slice(du * d, (du + 1) * d), self._split(whole + inputs)
        return (both if self.b_cx is None else both._replace(du=whole[..., own])), inputs[..., own]

    def _split(self, whole: np.ndarray) -> Columns:
        d = self.width
        return Columns(*(whole[..., k : k + d] for k in range(0, whole.shape[-1], d)))

    def _pulled(self, kind: str, errors: Columns) -> Array:
        """The sum of W^T dalpha over the gates, (..., n)."""
        given = [error for error in errors if error is not None]
        if is_torch(self.b_cu):
            parts = [error @ W for error, W in zip(given, self._rows(kind), strict=True)]
            return sum(parts[1:], parts[0])
        return concatenate(given, axis=-1) @ self._stacked[kind].T

    def _outers(self, errors: Columns, values: Array) -> list[Array]:
        """The sum over the batch of dalpha values^T of every gate, (d, n)."""
        given = [error for error in errors if error is not None]
        if is_torch(self.b_cu):
            return [outer(error, values) for error in given]
        whole, d = outer(concatenate(given, axis=-1), values), self.width
        return [whole[k * d : (k + 1) * d] for k in range(len(given))]

    def _flat(self, x: Array) -> Array:
        """A window (..., L, m) as (..., L m)."""
        return x if self.context == 1 else x.reshape((*x.shape[:-2], x.shape[-2] * x.shape[-1]))

    def _windowed(self, W_bar: Array, shape: tuple[int, ...]) -> Array:
        """dE/dW_x? (d, L m) of the shape of W_x?."""
        if len(shape) == 2:
            return W_bar
        return W_bar.reshape((self.width, *shape[::2])).swapaxes(0, 1)


def windowed(W: Array, x: Array) -> Array:
    """sum_l W(l) x[n+l] (X1), of a window (..., L, m); W x[n], of the input alone, where L = 1."""
    if W.ndim == 2 or len(W) == 1:
        return x @ (W if W.ndim == 2 else W[0]).T
    parts = [x[..., place, :] @ W[place].T for place in range(len(W))]
    return sum(parts[1:], parts[0])
