"""The GRU, the LSTM's sibling with two gates and one state.

Uses: S3.  Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation"; with reset_after the variant of cuDNN, Keras and torch.

z[n] = G_c(W_xz x[n] + W_vz v[n-1] + b_z)                                update gate
r[n] = G_c(W_xr x[n] + W_vr v[n-1] + b_r)                                reset gate
h[n] = G_d(W_xh x[n] + b_h + r[n] * (W_vh v[n-1] + b_vh))                candidate, with reset_after
h[n] = G_d(W_xh x[n] + b_h + W_vh (r[n] * v[n-1]))                       without
v[n] = z[n] * v[n-1] + (1 - z[n]) * h[n]                                 state and readout in one
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_flag,
    check_positive,
    check_shape,
    concatenate,
    is_torch,
)
from ode2rnn.core.run import run
from ode2rnn.discrete.unroll import spread
from ode2rnn.gated.cell import G_c, G_d, check_state

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
class GRU:
    """v[n] = z[n] * v[n-1] + (1 - z[n]) * h[n], in the meaning of Keras and torch (S3).

    Args:
        W_xz, W_xr, W_xh: input weights, (d, m).
        W_vz, W_vr, W_vh: weights of v[n-1], (d, d).
        b_z, b_r, b_h: biases, (d,); those of z and r are each the sum of the two that Keras and torch keep.
        b_vh: with reset_after the bias that the reset gate acts on, (d,); else None.
        reset_after: whether the reset gate acts after the product with W_vh (the default of Keras and torch), or
            before (Cho et al. 2014).
        dt: sampling step dT, in the caller's unit of time.

    For d = 1 numbers stand for matrices and vectors. In the trajectory of a run s and r are both v[n].

    Raises:
        ValueError: shapes that do not fit, a b_vh without reset_after or none with it, NaN, dt <= 0.

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
        settled = {name: as_like(array, like) for name, array in arrays.items()}
        for name, value in {**settled, "reset_after": after, "dt": check_positive("dt", self.dt)}.items():
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.b_z.shape[0])

    @property
    def readout_width(self) -> int:
        """Number of readouts, d."""
        return self.width

    @property
    def input_width(self) -> int:
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

    def tick(self, past: GRUState, x: Array) -> GRUGates:
        """Everything at n, from v[n-1] and x[n] (..., m) (S3)."""
        v = past.v
        z = G_c(x @ self.W_xz.T + v @ self.W_vz.T + self.b_z)
        r = G_c(x @ self.W_xr.T + v @ self.W_vr.T + self.b_r)
        if self.b_vh is None:
            fed_back = (r * v) @ self.W_vh.T
        else:
            fed_back = r * (v @ self.W_vh.T + self.b_vh)
        h = G_d(x @ self.W_xh.T + self.b_h + fed_back)
        return GRUGates(z, r, h, z * v + (1 - z) * h)

    def step(self, state: GRUState, x: Array) -> GRUState:
        """One tick: v[n] after the input ``x`` (..., m)."""
        return GRUState(self.tick(state, x).v)

    def readout(self, state: GRUState) -> tuple[Array, Array]:
        """v[n] twice: the state is the readout."""
        return state.v, state.v

    def gates(self, x: Any, s0: Any = None) -> GRUGates:
        """Both gates, the candidate and the state along a run, each (N, ..., d).

        Args:
            x, s0: as `run` takes them.

        Raises:
            ValueError: wrong shapes, NaN.
        """
        trajectory = run(self, x, s0)
        v = trajectory.s
        start = 0 * v[0] if s0 is None else as_like(s0.v if isinstance(s0, GRUState) else s0, v)
        first = broadcast_to(start.reshape((1,)) if start.ndim == 0 else start, tuple(v.shape[1:]))
        inputs = spread(trajectory.x, tuple(v.shape[1:-1]))
        with np.errstate(all="ignore"):  # as in the run
            return self.tick(GRUState(concatenate([first[None], v[:-1]])), inputs)._replace(v=v)
