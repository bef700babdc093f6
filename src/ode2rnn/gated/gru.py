"""The GRU, the LSTM's sibling with two gates and one state.

Uses: S3.  Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation"; with reset_after the variant of cuDNN, Keras and torch.

z[n] = G_c(W_xz x[n] + W_vz v[n-1] + b_z)                                update gate
r[n] = G_c(W_xr x[n] + W_vr v[n-1] + b_r)                                reset gate
h[n] = G_d(W_xh x[n] + b_h + r[n] * (W_vh v[n-1] + b_vh))                candidate, with reset_after
h[n] = G_d(W_xh x[n] + b_h + W_vh (r[n] * v[n-1]))                       without
v[n] = z[n] * v[n-1] + (1 - z[n]) * h[n]                                 state and readout in one

Its tangent, with z' = G_c'(alpha_z) and so on for each activation: dv[n] = z * dv[n-1] + (v[n-1] - h) * z' * dalpha_z
+ (1 - z) * h' * dalpha_h; the reset gate passes on dalpha_h = W_xh dx + r * (W_vh dv) + (W_vh v + b_vh) * r' * dalpha_r
with reset_after, W_xh dx + W_vh (r * dv + v * r' * dalpha_r) without.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import Array, as_like, check_array, check_flag, check_positive, check_shape, is_torch
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.gated.cell import GatedCell, check_state, check_warpings, outer, slope_of, total

LETTERS = ("W_xz", "W_vz", "b_z", "W_xr", "W_vr", "b_r", "W_xh", "W_vh", "b_h", "b_vh")


class GRUState(NamedTuple):
    """What a GRU remembers from tick to tick: v[n], (..., d)."""

    v: Array


class GRUGates(NamedTuple):
    """Everything that a GRU computes, for one tick (..., d) or for all of them (N, ..., d).

    Attributes:
        z, r: update and reset gate.
        h: candidate.
        v: state and readout.
    """

    z: Array
    r: Array
    h: Array
    v: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class GRU(GatedCell):
    """v[n] = z[n] * v[n-1] + (1 - z[n]) * h[n], in the meaning of Keras and torch (S3).

    Args:
        W_xz, W_xr, W_xh: input weights, (d, m).
        W_vz, W_vr, W_vh: weights of v[n-1], (d, d).
        b_z, b_r, b_h: biases, (d,); those of z and r are each the sum of the two that Keras and torch keep.
        b_vh: with reset_after the bias that the reset gate acts on, (d,); else None.
        reset_after: whether the reset gate acts after the product with W_vh (the default of Keras and torch), or
            before (Cho et al. 2014).
        dt: sampling step dT, in the caller's unit of time.
        activation, recurrent_activation: G_d and G_c, registered names or Activations.

    For d = 1 numbers stand for matrices and vectors. In the trajectory of a run s and r are both v[n].

    Raises:
        ValueError: shapes that do not fit, a b_vh without reset_after or none with it, NaN, dt <= 0, an
            unknown activation.

    Example:
        >>> from ode2rnn import run
        >>> zero = dict.fromkeys(["W_xz", "W_vz", "b_z", "W_xr", "W_vr", "b_r", "W_vh", "b_h", "b_vh"], 0.0)
        >>> run(GRU(**zero, W_xh=1.0), [1.0, 0.0, 0.0]).s.ravel()  # z = 1/2
        array([0.38079708, 0.19039854, 0.09519927])
    """

    W_xz: Array
    W_vz: Array
    b_z: Array
    W_xr: Array
    W_vr: Array
    b_r: Array
    W_xh: Array
    W_vh: Array
    b_h: Array
    b_vh: Array | None = None
    reset_after: bool = True
    dt: float = 1.0
    activation: str | Activation = "tanh"
    recurrent_activation: str | Activation = "sigmoid"

    def __post_init__(self) -> None:
        after = check_flag("reset_after", self.reset_after)
        if (self.b_vh is None) is after:
            raise ValueError(f"b_vh: expected {'an array' if after else 'None'} with reset_after={after}")
        arrays: dict[str, Any] = {}
        for name in LETTERS if after else LETTERS[:-1]:
            array = check_array(name, getattr(self, name))
            arrays[name] = array.reshape((1,) if name.startswith("b_") else (1, 1)) if array.ndim == 0 else array
        d = int(check_shape("b_z", arrays["b_z"], ("d",)).shape[0])
        m = int(check_shape("W_xz", arrays["W_xz"], (d, "m")).shape[1])
        for name, array in arrays.items():
            check_shape(name, array, {"W_x": (d, m), "W_v": (d, d)}.get(name[:3], (d,)))
        like = next((a for a in arrays.values() if is_torch(a)), arrays["b_z"])
        settled: dict[str, Any] = {name: as_like(array, like) for name, array in arrays.items()}
        settled |= check_warpings(self.activation, self.recurrent_activation, like)
        for name, value in {**settled, "reset_after": after, "dt": check_positive("dt", self.dt)}.items():
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return int(self.b_z.shape[0])

    @property
    def readout_width(self) -> int:
        """Number of readouts, d."""
        return self.width

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return int(self.W_xz.shape[1])

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.b_z

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return GRUState

    def init(self, s0: Array) -> GRUState:
        """The state v[-1] = s0, (..., d)."""
        return GRUState(s0)

    def resume(self, state: GRUState, batch: tuple[int, ...]) -> GRUState:
        """The state that a run over inputs of shape (N, *batch, m) starts from, checked and seen with its batch."""
        return check_state(state, (self.width,), batch, self.like)

    def init_vjp(self, s0: Array, bar: GRUState) -> Array:
        """The cotangent of s0 from that of the state that ``init`` makes of it."""
        return bar.v

    def states_of(self, trajectory: Trajectory) -> GRUState:
        """v[n] of a run."""
        return GRUState(trajectory.s)

    # -- the tick

    def tick(self, past: GRUState, x: Array) -> GRUGates:
        """Everything at n, from v[n-1] and x[n] (..., m) (S3)."""
        return self.activated(past.v, x)[0]

    def step(self, state: GRUState, x: Array | None) -> GRUState:
        """One tick: v[n] after the input ``x`` (..., m)."""
        return GRUState(self.activated(state.v, x)[0].v)

    def activated(self, v: Array, x: Array | None) -> tuple[GRUGates, tuple[Array, Array, Array], Array]:
        """Everything at n, the activations of z, r and h, and what the reset gate acts on."""
        G_c, G_d = as_activation(self.recurrent_activation).value, as_activation(self.activation).value
        xi_z, xi_r, xi_h = (0.0, 0.0, 0.0) if x is None else self._products("W_x", x)
        if self.b_vh is None:
            fed_z, fed_r = self._products("W_v", v, "zr")
        else:
            fed_z, fed_r, fed_h = self._products("W_v", v)
        alpha_z, alpha_r = xi_z + fed_z + self.b_z, xi_r + fed_r + self.b_r
        z, r = G_c(alpha_z), G_c(alpha_r)
        acted_on = v if self.b_vh is None else fed_h + self.b_vh
        alpha_h = xi_h + self.b_h + ((r * v) @ self.W_vh.T if self.b_vh is None else r * acted_on)
        h = G_d(alpha_h)
        return GRUGates(z, r, h, z * v + (1 - z) * h), (alpha_z, alpha_r, alpha_h), acted_on

    # -- its tangent and its cotangent

    def _factors(self, v: Array, x: Array | None) -> tuple[GRUGates, Array, Array, Array]:
        """Everything at n, dv[n] / dalpha_z, dv[n] / dalpha_h, and what alpha_r does to that which r acts on."""
        G_c, G_d = as_activation(self.recurrent_activation), as_activation(self.activation)
        now, (alpha_z, alpha_r, alpha_h), acted_on = self.activated(v, x)
        of_z = (v - now.h) * slope_of(G_c, now.z, alpha_z)
        of_h = (1 - now.z) * slope_of(G_d, now.h, alpha_h)
        return now, of_z, of_h, acted_on * slope_of(G_c, now.r, alpha_r)

    def step_jvp(self, state: GRUState, x: Array | None, d_state: GRUState, d_x: Array | None = None) -> GRUState:
        """The tangent of a tick: dv[n] along directions of v[n-1] and the input."""
        now, of_z, of_h, of_r = self._factors(state.v, x)
        dv = d_state.v
        xi_z, xi_r, xi_h = (0.0, 0.0, 0.0) if d_x is None else self._products("W_x", d_x)
        if self.b_vh is None:
            d_z, d_r = self._products("W_v", dv, "zr")
            d_h = (now.r * dv + of_r * (d_r + xi_r)) @ self.W_vh.T
        else:
            d_z, d_r, d_h = self._products("W_v", dv)
            d_h = now.r * d_h + of_r * (d_r + xi_r)
        return GRUState(now.z * dv + of_z * (d_z + xi_z) + of_h * (d_h + xi_h))

    def step_vjp(self, state: GRUState, x: Array | None, bar: GRUState) -> tuple[GRUState, Array | None, GRU]:
        """The cotangent of a tick: of v[n-1], of the input, and the sums of every weight."""
        v = state.v
        now, of_z, of_h, of_r = self._factors(v, x)
        psi = bar.v
        z_bar, h_bar = psi * of_z, psi * of_h  # dE/dalpha_z, dE/dalpha_h
        acted_bar = h_bar if self.b_vh is not None else h_bar @ self.W_vh  # dE by r * what it acts on
        r_bar, back = acted_bar * of_r, acted_bar * now.r
        v_bar = psi * now.z + z_bar @ self.W_vz + r_bar @ self.W_vr
        v_bar = v_bar + (back if self.b_vh is None else back @ self.W_vh)
        sums = {"W_vz": outer(z_bar, v), "W_vr": outer(r_bar, v)}
        sums["W_vh"] = outer(h_bar, now.r * v) if self.b_vh is None else outer(back, v)
        x_bar = None
        if self.b_vh is not None:
            sums["b_vh"] = total(back)
        for gate, error in (("z", z_bar), ("r", r_bar), ("h", h_bar)):
            W = getattr(self, f"W_x{gate}")
            sums[f"b_{gate}"], sums[f"W_x{gate}"] = total(error), 0 * W if x is None else outer(error, x)
            if x is not None:
                x_bar = error @ W if x_bar is None else x_bar + error @ W
        return GRUState(v_bar), x_bar, self.with_weights(sums)

    def errors(self, state: GRUState, x: Array | None, bar: GRUState) -> tuple[Array, Array]:
        """psi[n] and chi[n], which are one: the state is the readout."""
        return bar.v, bar.v

    def carousel(self, state: GRUState, x: Array | None) -> Array:
        """z[n], by which the state alone is carried."""
        return self.activated(state.v, x)[0].z

    def readout(self, state: GRUState) -> tuple[Array, Array]:
        """v[n] twice: the state is the readout."""
        return state.v, state.v

    def readout_jvp(self, state: GRUState, d_state: GRUState) -> tuple[Array, Array]:
        """The tangents of what is shown."""
        return d_state.v, d_state.v

    def readout_vjp(self, state: GRUState, s_bar: Array | None, r_bar: Array) -> GRUState:
        """The cotangent of the state."""
        return GRUState(r_bar if s_bar is None else r_bar + s_bar)

    @cached_property
    def _stacked(self) -> dict[str, np.ndarray]:
        """The weights of all gates side by side, (n, 3 d)."""
        return {
            kind: np.ascontiguousarray(np.concatenate([getattr(self, kind + gate) for gate in "zrh"]).T)
            for kind in ("W_x", "W_v")
        }

    def _products(self, kind: str, values: Array, gates: str = "zrh") -> list[Array]:
        """W values for the first gates; of NumPy at once, of torch one by one, where no copy of the weights is kept."""
        if is_torch(self.b_z):
            return [values @ getattr(self, kind + gate).T for gate in gates]
        d, count = self.width, len(gates)
        whole = values @ self._stacked[kind][:, : count * d]
        return [whole[..., k * d : (k + 1) * d] for k in range(count)]
