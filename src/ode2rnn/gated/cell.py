"""What the gated cells share: their state, their weights by letter, their warpings, and how they answer `run`.

Uses: L1 to L11, X1 to X3.

The letters: W_x?, W_s?, W_v? and b_? act on the input, the state and the readout, and are added up; ? is cu (update
gate), cs (state gate), cr (readout gate), du (data update), cx (input gate of the Augmented LSTM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS, Activation, as_activation
from ode2rnn.core.arrays import Array, as_like, broadcast_to, check_array, check_shape, concatenate, is_torch
from ode2rnn.core.run import run
from ode2rnn.core.systems.states import joined, mapped
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.discrete.unroll import spread

SIGMOID, TANH = ACTIVATIONS["sigmoid"], ACTIVATIONS["tanh"]
G_c = SIGMOID.value  # control warping, where a cell names no other
G_d = TANH.value  # data warping, likewise


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


def seen(W: Array | None, s: Array, alpha: Array) -> Array:
    """alpha + W_s s."""
    return alpha if W is None else alpha + peephole(W, s)


def through(W: Array | None, error: Array) -> Array | float:
    """W_s^T dalpha, for a full, a diagonal or no peephole (L9)."""
    if W is None:
        return 0.0
    return error * W if W.ndim == 1 else error @ W


def outer(error: Array, values: Array) -> Array:
    """The sum over the batch of error values^T (L11), (d, n); the batch of the values may be the smaller one."""
    if error.ndim == 1:
        return error[:, None] * values
    values = broadcast_to(values, (*error.shape[:-1], values.shape[-1]))
    return error.reshape((-1, error.shape[-1])).T @ values.reshape((-1, values.shape[-1]))


def total(error: Array) -> Array:
    """The sum over the batch of vectors (..., d)."""
    return error.reshape((-1, error.shape[-1])).sum(0)


def peephole_bar(W: Array | None, error: Array, s: Array) -> Array | None:
    """dE by a full, a diagonal or no peephole (L11)."""
    if W is None:
        return None
    return total(error * s) if W.ndim == 1 else outer(error, s)


def slope_of(G: Activation, value: Array, alpha: Array) -> Array:
    """G'(alpha), from ``value`` = G(alpha) where that says it: 1 - G^2 of tanh, G (1 - G) of the sigmoid."""
    if G is TANH:
        return 1 - value * value
    return value * (1 - value) if G is SIGMOID else G.slope(alpha)


def check_warpings(activation: object, recurrent_activation: object, like: Array) -> dict[str, Activation]:
    """G_d and G_c of a cell, of names or activations, which must take arrays of the kind of ``like``."""
    found = {}
    for name, given in (("activation", activation), ("recurrent_activation", recurrent_activation)):
        try:
            found[name] = as_activation(given)  # type: ignore[arg-type]
        except ValueError as error:
            raise ValueError(f"{name}: {str(error).removeprefix('activation: ')}") from None
        if is_torch(like) and found[name] is not ACTIVATIONS.get(found[name].name):
            found[name].check_for(like)
    return found


def refuse_other_warpings(name: str, cell: Any, who: str) -> None:
    """Refuse a gated cell whose warpings are others than the sigmoid and tanh, which ``who`` is written for.

    Raises:
        ValueError: it has others.
    """
    if cell.activation != TANH or cell.recurrent_activation != SIGMOID:
        raise ValueError(
            f"{name}: expected one with activation 'tanh' and recurrent_activation 'sigmoid', which {who} has, got"
            f" {as_activation(cell.activation).name!r} and {as_activation(cell.recurrent_activation).name!r}"
        )


class StateAndReadout(System):
    """A System whose state is an LSTMState: the state s and the readout v that is fed back."""

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

    def init_vjp(self, s0: Array, bar: LSTMState) -> Array:
        """The cotangent of s0 from that of the state that ``init`` makes of it."""
        return bar.s

    def resume(self, state: LSTMState, batch: tuple[int, ...]) -> LSTMState:
        """The state that a run over inputs of shape (N, *batch, m) starts from, checked and seen with its batch."""
        return check_state(state, (self.width, self.readout_width), batch, self.like)

    def flatten(self, state: LSTMState) -> Array:
        """s and v side by side, (..., d + d_v)."""
        return concatenate([*state], axis=-1) if state.s.shape[:-1] == state.v.shape[:-1] else joined(state)

    def unflatten(
        self, vector: Array, direction: Array | None, x: Array | None
    ) -> tuple[LSTMState, LSTMState | None, Array | None]:
        """s and v of a vector (..., d + d_v), and the deviations of them that a direction is."""
        d = self.width
        moved = None if direction is None else LSTMState(direction[..., :d], direction[..., d:])
        return LSTMState(vector[..., :d], vector[..., d:]), moved, x

    def readout(self, state: LSTMState) -> tuple[Array, Array]:
        """s[n] and v[n]: the gated readout v takes the place of r (T5)."""
        return state.s, state.v

    def readout_jvp(self, state: LSTMState, d_state: LSTMState) -> tuple[Array, Array]:
        """The tangents of s[n] and v[n]."""
        return d_state.s, d_state.v

    def readout_vjp(self, state: LSTMState, s_bar: Array | None, r_bar: Array) -> LSTMState:
        """The cotangent of the state."""
        return LSTMState(0 * state.s if s_bar is None else s_bar, r_bar)

    def tick(self, past: LSTMState, x: Array) -> Any:
        """Everything at n that has a name; of a cell without computed gates s[n] and its readout."""
        return self.step(past, x)


class GatedCell(System):
    """A cell whose tick computes gates, all of which :meth:`tick` returns."""

    def tick(self, past: Any, x: Array) -> Any:
        """Everything at n, from the state before and the input."""
        raise NotImplementedError

    def states_of(self, trajectory: Trajectory) -> Any:
        """The states after every tick of a run."""
        raise NotImplementedError

    def gates(self, x: Any, s0: Any = None) -> Any:
        """Every gate, update candidate, state and readout along a run, each (N, ..., d).

        Args:
            x, s0: as `run` takes them.

        Raises:
            ValueError: wrong shapes, NaN.
        """
        return self.replay(run(self, x, s0), s0)[1]

    def replay(self, trajectory: Trajectory, s0: Any = None) -> tuple[Any, Any]:
        """The states before every tick of a run from ``s0``, and everything that its ticks computed, all n at once."""
        after = self.states_of(trajectory)
        s = trajectory.s
        if isinstance(s0, self.State):
            first = self.resume(s0, tuple(s.shape[1:-1]))
        else:
            start = as_like(np.zeros(self.width) if s0 is None else s0, s)
            first = self.init(broadcast_to(start.reshape((1,)) if start.ndim == 0 else start, tuple(s.shape[1:])))
        past = mapped(lambda start, values: concatenate([start[None], values[:-1]]), first, after)
        with np.errstate(all="ignore"):  # as in the run
            now = self.tick(past, self.prepare(spread(trajectory.x, tuple(s.shape[1:-1]))))
        return past, now._replace(**after._asdict())


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
