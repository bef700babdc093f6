"""What the cells of the chain from the canonical RNN to the Vanilla LSTM share.  Uses: T1."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

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
from ode2rnn.gated.cell import G_d, LSTMState, StateAndReadout


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
    def input_width(self) -> int:
        """Number of inputs m."""
        return int(self.W_x.shape[1])

    def init(self, s0: Array) -> LSTMState:
        """s[-1] = s0, and the readout that such a state shows."""
        return LSTMState(s0, self.show(s0))

    def show(self, s: Array) -> Array:
        """The readout of the state ``s``, r = G_d(s)."""
        return G_d(s)

    def F_u(self, state: LSTMState, x: Array) -> Array:
        """The update term, of the readout that is fed back and the input (T1)."""
        return state.v @ self.W_r.T + x @ self.W_x.T + self.theta_s

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


def parts(cell: ChainCell, *kinds: type) -> dict[str, Any]:
    """The fields of the cell before."""
    if type(cell) not in kinds:
        raise ValueError(f"cell: expected a {kinds[0].__name__}, the step before, got {brief(cell)}")
    return {f.name: getattr(cell, f.name) for f in fields(cell)}
