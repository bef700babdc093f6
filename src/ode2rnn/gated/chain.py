"""What the cells of the chain from the canonical RNN to the Vanilla LSTM share: F_u, their tangent and their cotangent.

Uses: T1, T2, T3, T4, T5.

All of them are s[n] = C s[n-1] + G(F_u[n]), v[n] = H(s[n]) with a linear C and elementwise G and H, so that
ds[n] = C ds[n-1] + G' * (W_r dv[n-1] + W_x dx[n]) and dv[n] = H' * ds[n]; each says its own C, G' and H'.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    broadcast_to,
    check_array,
    check_count,
    check_nonnegative,
    check_positive,
    check_shape,
    is_torch,
    to_numpy,
)
from ode2rnn.gated.cell import TANH, G_d, LSTMState, StateAndReadout, outer, total


@dataclass(frozen=True, eq=False, kw_only=True)
class ChainCell(StateAndReadout):
    """What these cells share: the update term F_u = W_r r[n-1] + W_x x[n] + theta_s.

    Args:
        W_r: (d, d).
        W_x: (d, m).
        theta_s: (d,).
        dt: sampling step dT, in the caller's unit of time.

    Raises:
        ValueError: shapes that do not fit, gates outside [0, 1], NaN, dt <= 0.
    """

    W_r: Array
    W_x: Array
    theta_s: Array
    dt: float = 1.0

    def __post_init__(self) -> None:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name[:2] in ("W_", "g_", "th")}
        arrays = {name: check_array(name, value) for name, value in given.items()}
        for name in arrays:
            if arrays[name].ndim == 0 and not name.startswith("g_"):
                arrays[name] = arrays[name].reshape((1,) if name == "theta_s" else (1, 1))
        theta = check_shape("theta_s", arrays["theta_s"], ("d",))
        d = int(theta.shape[0])
        like = next((a for a in arrays.values() if is_torch(a)), theta)
        for name, array in arrays.items():
            if name.startswith("g_"):
                if array.ndim > 1 or (array.ndim == 1 and tuple(array.shape) != (d,)):
                    raise ValueError(f"{name}: expected shape ({d},) or one number, got shape {tuple(array.shape)}")
                if not ((array >= 0) & (array <= 1)).all():
                    low, high = float(array.min()), float(array.max())
                    raise ValueError(f"{name}: expected gates in [0, 1], got {low:g} to {high:g}")
                array = broadcast_to(array, (d,))
            elif name != "theta_s":
                check_shape(name, array, (d, "m") if name == "W_x" else (d, d))
            object.__setattr__(self, name, as_like(array, like))
        object.__setattr__(self, "dt", check_positive("dt", self.dt))

    @property
    def like(self) -> Array:
        """An array of the cell's kind, one entry a state."""
        return self.theta_s

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return int(self.theta_s.shape[0])

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return int(self.W_x.shape[1])

    def init(self, s0: Array) -> LSTMState:
        """s[-1] = s0, and the readout that such a state shows."""
        return LSTMState(s0, self.show(s0))

    def show(self, s: Array) -> Array:
        """The readout of the state ``s``, r = G_d(s)."""
        return G_d(s)

    def init_vjp(self, s0: Array, bar: LSTMState) -> Array:
        """The cotangent of s0, whose readout is shown from the start."""
        return bar.s + bar.v * self.show_slope(s0)

    def F_u(self, state: LSTMState, x: Array | None) -> Array:
        """The update term, of the readout that is fed back and the input (T1)."""
        fed = state.v @ self.W_r.T + self.theta_s
        return fed if x is None else fed + x @ self.W_x.T

    # -- the tangent and the cotangent of a tick

    def carried(self, ds: Array) -> Array:
        """C ds, what a tick keeps of a state or of a deviation of it."""
        raise NotImplementedError

    def carried_back(self, psi: Array) -> Array:
        """C^T psi."""
        return self.carried(psi)

    def update_slope(self, F: Array) -> Array:
        """G' = ds[n] / dF_u[n]."""
        raise NotImplementedError

    def show_slope(self, s: Array) -> Array:
        """H'(s) = 1 - G_d(s)^2, the derivative of :meth:`show`."""
        return 1 - G_d(s) ** 2

    def own_sums(self, state: LSTMState, F: Array, after: LSTMState, e: LSTMState) -> dict[str, Array]:
        """dE by the weights that are not those of F_u; ``e`` is (psi, chi)."""
        return {}

    def step_jvp(self, state: LSTMState, x: Array | None, d_state: LSTMState, d_x: Array | None = None) -> LSTMState:
        """The tangent of a tick: ds[n] and dv[n] along directions of s[n-1], v[n-1] and the input."""
        dF = d_state.v @ self.W_r.T
        if d_x is not None:
            dF = dF + d_x @ self.W_x.T
        s = self.step(state, x).s
        ds = self.carried(d_state.s) + self.update_slope(self.F_u(state, x)) * dF
        return LSTMState(ds, self.show_slope(s) * ds)

    def step_vjp(self, state: LSTMState, x: Array | None, bar: LSTMState) -> tuple[LSTMState, Array | None, Self]:
        """The cotangent of a tick: C^T psi, and by way of F_u of v[n-1], the input and the weights."""
        after, F = self.step(state, x), self.F_u(state, x)
        psi = bar.s + bar.v * self.show_slope(after.s)
        phi = psi * self.update_slope(F)  # dE/dF_u
        sums = {
            "W_r": outer(phi, state.v),
            "W_x": 0 * self.W_x if x is None else outer(phi, x),
            "theta_s": total(phi),
            **self.own_sums(state, F, after, LSTMState(psi, bar.v)),
        }
        before = LSTMState(self.carried_back(psi), phi @ self.W_r)
        return before, None if x is None else phi @ self.W_x, self.with_weights(sums)

    def errors(self, state: LSTMState, x: Array | None, bar: LSTMState) -> tuple[Array, Array]:
        """psi[n] = dE/ds[n] and chi[n] = dE/dv[n]."""
        return bar.s + bar.v * self.show_slope(self.step(state, x).s), bar.v

    def bound(self, ticks: int, x: float = 1.0, s0: float = 0.0) -> np.ndarray:
        """What |s[n]| cannot pass after ``ticks`` ticks from |s[-1]| <= s0 under inputs |x| <= x, (d,).

        From |s[n]| <= kept |s[n-1]| + added it is kept^n s0 + (1 + kept + ... + kept^(n-1)) added.
        """
        n, s0, x = check_count("ticks", ticks), check_nonnegative("s0", s0), check_nonnegative("x", x)
        kept, added = (to_numpy(gain) for gain in self._gains(x))
        with np.errstate(all="ignore"):  # a bound may be infinite
            lost = 1 - kept
            steps = np.where(lost == 0, n, -np.expm1(n * np.log1p(-lost)) / lost)
            return kept**n * s0 + steps * added

    def _gains(self, x: float) -> tuple[Array, Array]:
        """Numbers with |s[n]| <= first * |s[n-1]| + second, each (d,)."""
        raise NotImplementedError

    def _largest_update(self, x: float) -> Array:
        """A bound of |F_u|, as |r| <= 1."""
        return abs(self.W_r).sum(1) + x * abs(self.W_x).sum(1) + abs(self.theta_s)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConstantGates(ChainCell):
    """s[n] = g_cs * s[n-1] + g_cu * G(F_u) with constant gates: what T3 to T5 share."""

    g_cs: Array = 1.0
    g_cu: Array = 1.0

    @property
    def warping(self) -> Activation:
        """G, the warping of the update."""
        return TANH

    def carried(self, ds: Array) -> Array:
        """g_cs * ds."""
        return self.g_cs * ds

    def update_slope(self, F: Array) -> Array:
        """g_cu * G'(F_u)."""
        return self.g_cu * self.warping.slope(F)

    def own_sums(self, state: LSTMState, F: Array, after: LSTMState, e: LSTMState) -> dict[str, Array]:
        """dE by the gates."""
        return {"g_cs": total(e.s * state.s), "g_cu": total(e.s * self.warping.value(F))}

    def carousel(self, state: LSTMState, x: Array | None) -> Array:
        """g_cs, by which the state alone is carried (T7)."""
        return self.g_cs + 0 * state.s


def parts(cell: ChainCell, *kinds: type) -> dict[str, Any]:
    """The fields of the cell before."""
    if type(cell) not in kinds:
        raise ValueError(f"cell: expected a {kinds[0].__name__}, the step before, got {brief(cell)}")
    return {f.name: getattr(cell, f.name) for f in fields(cell)}
