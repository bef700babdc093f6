"""What the gated cells share: their state, their weights by letter, and how they answer `run`.

Uses: L1 to L6, X1 to X3.

The letters: W_x?, W_s?, W_v? and b_? act on the input, the state and the readout, and are added up; ? is cu (update
gate), cs (state gate), cr (readout gate), du (data update), cx (input gate of the Augmented LSTM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_positive,
    check_shape,
    concatenate,
    is_torch,
)
from ode2rnn.core.run import run
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.discrete.unroll import spread

G_c = ACTIVATIONS["sigmoid"].value  # control warping
G_d = ACTIVATIONS["tanh"].value  # data warping


class LSTMState(NamedTuple):
    """What an LSTM remembers from tick to tick.

    Attributes:
        s: state s[n], (..., d).
        v: readout v[n], (..., d_v).
    """

    s: Array
    v: Array


class Gates(NamedTuple):
    """Everything that a gated cell computes, for one tick (..., d) or for all of them (N, ..., d).

    Attributes:
        g_cu, g_cs, g_cr: update, state and readout gate.
        u: data update candidate.
        s, r: state, and its warped value G_d(s).
        v: readout, (..., d_v).
        q: readout before the projection; v itself where there is none.
        g_cx: external input gate, None where there is none.
        xi_du: input term of the data update candidate, which g_cx controls.
    """

    g_cu: Array
    g_cs: Array
    g_cr: Array
    u: Array
    s: Array
    r: Array
    v: Array
    q: Array
    g_cx: Array | None
    xi_du: Array


def peephole(W: Array | None, s: Array) -> Array | float:
    """W_s s for a full matrix (d, d), a diagonal one given as a vector (d,), or none at all."""
    if W is None:
        return 0.0
    return s * W if W.ndim == 1 else s @ W.T


class StateAndReadout:
    """A System whose state is an LSTMState: the state s and the readout v that is fed back."""

    @property
    def like(self) -> Array:
        """An array of the cell's kind, one entry a state."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.like.shape[0])

    @property
    def readout_width(self) -> int:
        """Number of readouts d_v."""
        return self.width

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return LSTMState

    def init(self, s0: Array) -> LSTMState:
        """The state s[-1] = s0 (..., d) with the readout v[-1] = 0."""
        return LSTMState(s0, as_like(np.zeros((*s0.shape[:-1], self.readout_width)), self.like))

    def resume(self, state: LSTMState, batch: tuple[int, ...]) -> LSTMState:
        """The state that a run over inputs of shape (N, *batch, m) starts from, checked and seen with its batch."""
        return check_state(state, (self.width, self.readout_width), batch, self.like)

    def readout(self, state: LSTMState) -> tuple[Array, Array]:
        """s[n] and v[n]: the gated readout v takes the place of r (T5)."""
        return state.s, state.v


class GatedCell(StateAndReadout):
    """An LSTM by its letters, whose tick is written out in :meth:`tick`."""

    W_xcu: Array
    b_cu: Array
    dt: float

    def _settle(self, weights: Mapping[str, Array | None]) -> None:
        """Set the checked ``weights``; check dt."""
        for name, value in {**weights, "dt": check_positive("dt", self.dt)}.items():
            object.__setattr__(self, name, value)

    @property
    def like(self) -> Array:
        """An array of the cell's kind, one entry a state."""
        return self.b_cu

    @property
    def input_width(self) -> int:
        """Number of inputs m."""
        return int(self.W_xcu.shape[-1])

    def tick(self, past: LSTMState, x: Array) -> Gates:
        """Everything at n, from s[n-1], v[n-1] and the input."""
        raise NotImplementedError

    def step(self, state: LSTMState, x: Array | None) -> LSTMState:
        """One tick: s[n] and v[n] after the input ``x`` (..., m)."""
        now = self.tick(state, x)
        return LSTMState(now.s, now.v)

    def prepare(self, x: Array) -> Array:
        """What the ticks see of the inputs (N, ..., m), one row a tick."""
        return x

    def gates(self, x: Any, s0: Any = None) -> Gates:
        """Every gate, update candidate, state and readout along a run, each (N, ..., d).

        Args:
            x, s0: as `run` takes them.

        Raises:
            ValueError: wrong shapes, NaN.
        """
        return self.replay(run(self, x, s0), s0)[1]

    def replay(self, trajectory: Trajectory, s0: Any = None, length: int | None = None) -> tuple[LSTMState, Gates]:
        """s[n-1] and v[n-1] of a run from ``s0``, and everything that its ticks computed, for all n at once.

        ``length``: the state and the readout were set to zero at the start of each segment of this many samples.
        """
        s, v = trajectory.s, trajectory.r
        past = LSTMState(*(_before(values, first) for values, first in zip((s, v), self._first(s0, v), strict=True)))
        if length is not None:
            at = np.arange(len(s))
            kept = 1.0 - ((at > 0) & (at % length == 0)).reshape((-1, *(1,) * (s.ndim - 1)))
            past = LSTMState(*(values * as_like(kept, values) for values in past))
        with np.errstate(all="ignore"):  # as in the run
            now = self.tick(past, self.prepare(spread(trajectory.x, tuple(s.shape[1:-1]))))
        return past, now._replace(s=s, v=v)

    def _first(self, s0: Any, v: Array) -> LSTMState:
        """s[-1] and v[-1], already checked by the run that gave the readouts ``v``."""
        if isinstance(s0, LSTMState):
            return self.resume(s0, tuple(v.shape[1:-1]))
        start = as_like(np.zeros(self.width) if s0 is None else s0, v)
        shape = (*v.shape[1:-1], self.width)
        return self.init(broadcast_to(start.reshape((1,)) if start.ndim == 0 else start, shape))


def _before(values: Array, first: Array) -> Array:
    """values[n-1] for n = 0 .. N-1, ``first`` being values[-1]."""
    return concatenate([first[None], values[:-1]])


def check_state(state: Any, widths: tuple[int, ...], batch: tuple[int, ...], like: Array) -> Any:
    """A state whose fields have these widths, its arrays of the kind of ``like`` and all seen with the whole batch."""
    arrays = []
    for name, value, columns in zip(state._fields, state, widths, strict=True):
        array = check_array(f"s0.{name}", value, like=like)
        if is_torch(array) and not is_torch(like):
            raise ValueError(f"s0.{name}: expected NumPy, as the cell's arrays, got a tensor")
        if array.ndim == 0 or array.shape[-1] != columns:
            raise ValueError(f"s0.{name}: expected shape (..., {columns}), got {tuple(array.shape)}")
        arrays.append(array)
    try:
        whole = np.broadcast_shapes(batch, *(tuple(array.shape[:-1]) for array in arrays))
    except ValueError:
        got = " and ".join(str(tuple(array.shape[:-1])) for array in arrays)
        raise ValueError(f"s0: expected batch shapes that fit that of x, {batch}, got {got}") from None
    return type(state)(*(broadcast_to(array, (*whole, array.shape[-1])) for array in arrays))


def check_weights(given: Mapping[str, Any], optional: tuple[str, ...] = (), windows: bool = False) -> dict[str, Any]:
    """The weights of a cell as arrays of one kind, their shapes checked against those of b_cu, W_xcu and W_qdr.

    Args:
        given: the weights by letter. Peepholes W_s? may be (d, d), (d,) or None.
        optional: letters other than those of peepholes that may be None.
        windows: whether W_x? may be (L, d, m).
    """
    arrays: dict[str, Any] = {}
    for name, value in given.items():
        if value is None and (name.startswith("W_s") or name in optional):
            arrays[name] = None
            continue
        array = check_array(name, value)
        arrays[name] = array.reshape((1,) if name.startswith("b_") else (1, 1)) if array.ndim == 0 else array
    d = int(check_shape("b_cu", arrays["b_cu"], ("d",)).shape[0])
    d_v = d
    if arrays.get("W_qdr") is not None:
        d_v = int(check_shape("W_qdr", arrays["W_qdr"], ("d_v", d)).shape[0])
    inputs: tuple[int | str, ...] = ("L", d, "m") if windows and arrays["W_xcu"].ndim == 3 else (d, "m")
    inputs = tuple(int(n) for n in check_shape("W_xcu", arrays["W_xcu"], inputs).shape)
    for name, array in arrays.items():
        if array is None:
            continue
        if name.startswith("W_s") and array.ndim == 1:
            check_shape(name, array, (d,))
        else:
            shapes = {"W_x": inputs, "W_s": (d, d), "W_v": (d, d_v), "W_q": (d_v, d)}
            check_shape(name, array, shapes.get(name[:3], (d,)))
    like = next((a for a in arrays.values() if is_torch(a)), arrays["b_cu"])
    return {name: None if array is None else as_like(array, like) for name, array in arrays.items()}
