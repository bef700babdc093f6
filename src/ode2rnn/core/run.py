"""The one forward loop over ticks.

Uses: D5.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.arrays import (
    Array,
    all_finite,
    brief_cell,
    broadcast_to,
    check_array,
    is_torch,
    stack,
    times_like,
)
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.systems.system import S, System
from ode2rnn.core.trajectory import Interrupted, SimulationError, Stats, Trajectory

INTERRUPTED = "interrupted"


def run(cell: System[S], x: ArrayLike, s0: ArrayLike | S | None = None) -> Trajectory:
    """Step ``cell`` through the inputs x[0 .. N-1], from s[-1] to s[0 .. N-1] (D5).

    Args:
        cell: a CanonicalRNN, a TappedRNN, a Sampled model, or any other System.
        x: inputs (N, ..., m); x[n] holds on (t[n-1], t[n]]. For a cell without input, zeros of shape (N, 0),
            or the number of ticks.
        s0: s[-1], of shape (..., d); zero by default. Cells that reach further back hold it for all n < 0. Or a
            state of the cell's own, to go on from what it remembers.

    Returns:
        A Trajectory with t[n] = n dT; between ticks its dense output is linear.

    Raises:
        ValueError: wrong shapes, NaN.
        SimulationError: the state overflowed, or a step found no solution; its ``trajectory`` is the part before that.
    """
    return _ran(cell, x, s0, None)[0]


class Remembered(NamedTuple):
    """A run with all that it passed through.

    Attributes:
        trajectory: the run.
        states: the states before the first tick and after each, N + 1 of them.
        seen: what the ticks saw of the inputs, one row a tick; None without input.
        start: s[-1] (..., d) with its batch; None where s0 was a state of the cell's own.
    """

    trajectory: Trajectory
    states: list[Any]
    seen: Array | None
    start: Array | None


def remembered(cell: System[S], x: ArrayLike, s0: ArrayLike | S | None = None) -> Remembered:
    """:func:`run` tick by tick, with every state kept, for a pass back through it."""
    kept: list[S] = []
    trajectory, seen, start = _ran(cell, x, s0, kept)
    return Remembered(trajectory, kept, seen, start)


def _ran(
    cell: System[S], x: ArrayLike, s0: ArrayLike | S | None, kept: list[S] | None
) -> tuple[Trajectory, Array | None, Array | None]:
    """The run, what its ticks saw and s[-1]; every state goes into ``kept`` where that is a list."""
    check_system(cell)
    inputs, ticks = _check_inputs(cell, x)
    start = None
    if isinstance(s0, cell.State):
        state = cell.resume(cast("S", s0), () if inputs is None else tuple(inputs.shape[1:-1]))
    else:
        # (h, c) and (c, h) look the same, and like a batch of two; so does another cell's state
        if isinstance(s0, tuple) and (issubclass(cell.State, tuple) or hasattr(s0, "_fields")):
            raise ValueError(f"s0: expected s[-1], or the whole state as {cell.State.__name__}(...), got a tuple")
        start = _check_start(cell, s0, inputs)
        state = cell.init(start)
    seen = None if inputs is None else cell.prepare(inputs)
    with np.errstate(all="ignore"):  # overflow is told below, with the valid part
        found = _scan(cell, state, seen, ticks) if kept is None else None
        states, readouts, failure = found or _loop(cell, state, seen, ticks, kept)
    done = len(readouts)
    if done == 0:
        raise KeyboardInterrupt if failure == INTERRUPTED else SimulationError(failure)
    stats = Stats(method=type(cell).__name__, evaluations=done, steps=done)
    times = np.arange(done) * cell.dt
    edges = np.arange(-1, done) * cell.dt
    trajectory = Trajectory(
        times_like(times, states),
        states[1:],
        readouts,
        None if inputs is None else inputs[:done],
        stats,
        dense=Piecewise(edges, np.array([0.0, 1.0]), _pairs(states)),
        span=(float(edges[0]), float(edges[-1])),
    )
    if failure == INTERRUPTED:
        raise Interrupted(failure, trajectory.failed(failure))
    if failure:
        raise SimulationError(failure, trajectory.failed(failure))
    return trajectory, seen, start


def check_system(cell: object) -> System:
    """``cell`` if it is a System.

    Raises:
        ValueError: it is none; the message says how to make one.
    """
    if isinstance(cell, System):
        return cell
    hint = (
        "make one of a continuous model by discretize(model, dt) or Sampled(model, dt), of a function by Map(F, width);"
        " a cell of your own is a class Cell(System)"
    )
    raise ValueError(f"cell: expected a System, got {brief_cell(cell)}; {hint}")


def _loop(
    cell: System[S], state: S, inputs: Array | None, ticks: int, kept: list[S] | None = None
) -> tuple[Array, Array, str]:
    """s[-1 .. n-1] and r[0 .. n-1] of the ticks up to the first that fails, and why that one failed."""
    states, readouts = [cell.readout(state)[0]], []
    kept = [] if kept is None else kept
    kept.append(state)
    failure = ""
    try:
        for n in range(ticks):
            state = cell.step(state, None if inputs is None else inputs[n])
            s, r = cell.readout(state)
            if not (all_finite(s) and all_finite(r)):
                failure = _overflow(cell, n, ticks)
                break
            states.append(s)
            readouts.append(r)
            kept.append(state)
    except SimulationError as error:
        failure = f"at tick {n} of {ticks} (t = {n * cell.dt:g}): {error}"
    except KeyboardInterrupt:
        failure = INTERRUPTED
    done = len(readouts)  # an interrupt may fall between two of these lists
    return stack(states[: done + 1]), stack(readouts) if readouts else states[0][None][:0], failure


def _scan(cell: System[S], state: S, inputs: Array | None, ticks: int) -> tuple[Array, Array, str] | None:
    """The same by the cell's own kernel for all ticks; None where it has none."""
    found = cell.scan(state, inputs, ticks)
    if found is None:
        return None
    states, readouts = found
    done = len(readouts)
    failure = "" if done == ticks else INTERRUPTED
    if np.isfinite(states.min()) and np.isfinite(states.max()):  # then the readouts are finite too
        return states, readouts, failure
    finite = np.isfinite(states[1:]).reshape(done, -1).all(axis=1)
    if finite.all():
        return states, readouts, failure
    n = int(np.argmin(finite))
    return states[: n + 1], readouts[:n], _overflow(cell, n, ticks)


def _overflow(cell: System, n: int, ticks: int) -> str:
    if n == 0:
        return "the state is not finite after the first tick; s0 or the weights are too large"
    return f"the state overflowed at tick {n} of {ticks} (t = {n * cell.dt:g}): the recursion diverges"


def _pairs(states: Array) -> Array:
    """s[n-1] and s[n] for every tick, (N, 2, ..., d)."""
    if is_torch(states):
        return stack([states[:-1], states[1:]], axis=1)
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(states, 2, axis=0), -1, 1)  # no copy


def _check_like(cell: System, name: str, value: object) -> Array:
    array = check_array(name, value, like=cell.like)
    if is_torch(array) and not is_torch(cell.like):
        raise ValueError(f"{name}: expected NumPy, as the cell's arrays, got a tensor; build the cell from tensors")
    return array


def _check_inputs(cell: System, x: ArrayLike) -> tuple[Array | None, int]:
    if cell.input_width == 0 and isinstance(x, int | np.integer) and not isinstance(x, bool):
        if x < 1:
            raise ValueError(f"x: expected at least one tick, got {x}")
        return None, int(x)
    inputs = _check_like(cell, "x", x)
    if inputs.ndim == 1 and cell.input_width == 1:
        inputs = inputs[:, None]
    if inputs.ndim < 2 or inputs.shape[-1] != cell.input_width or inputs.shape[0] < 1:
        raise ValueError(f"x: expected shape (N, ..., {cell.input_width}), got {tuple(inputs.shape)}")
    return (inputs if cell.input_width else None), int(inputs.shape[0])


def _check_start(cell: System, s0: object, inputs: Array | None) -> Array:
    batch = () if inputs is None else tuple(inputs.shape[1:-1])
    start = _check_like(cell, "s0", np.zeros(cell.width) if s0 is None else s0)
    if start.ndim == 0 and cell.width == 1:
        start = start.reshape((1,))
    if start.ndim == 0 or start.shape[-1] != cell.width:
        raise ValueError(f"s0: expected shape (..., {cell.width}), got {tuple(start.shape)}")
    try:
        shape = np.broadcast_shapes((*batch, cell.width), tuple(start.shape))
    except ValueError:
        raise ValueError(
            f"s0: expected a batch shape that fits that of x, {batch}, got {tuple(start.shape[:-1])}"
        ) from None
    return broadcast_to(start, shape)
