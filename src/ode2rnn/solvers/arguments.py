"""The arguments of integrate(), checked and turned into a Problem before any work is done."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_increasing,
    check_number,
    check_positive,
    is_torch,
)
from ode2rnn.core.signals import Constant, Signal, as_signal
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.solvers.breaking import breaking_points
from ode2rnn.solvers.problem import Problem

SMALLEST_RTOL = 1e-14


def build_problem(model: Any, x: Any, t: Any, history: Any, s0: Any, rtol: Any, atol: Any, dt: Any) -> Problem:
    """The Problem that the arguments of integrate() describe.

    Raises:
        ValueError: naming the argument, what was expected and what came.
    """
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}")
    span, samples = _times(t)
    rtol = check_number("rtol", rtol)
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol: expected a number in [{SMALLEST_RTOL:g}, 1), got {rtol:g}")
    atol = check_positive("atol", atol)
    dt = None if dt is None else check_positive("dt", dt)
    signal = _input(model, x, span)
    past = _history(model, history, span)
    before = past.value if isinstance(past, Constant) else past.left(span[0])
    start = before if s0 is None else _state("s0", s0, model.width)
    model, start = _one_kind(model, signal, before, start, span[0])
    seeds = _seeds(model, signal, past, span, jumps=s0 is not None)
    points = breaking_points(seeds, model.delays, span, _deepest(rtol))
    return Problem(model, signal, past, start, span, points, rtol, atol, dt, samples)


def _times(t: Any) -> tuple[tuple[float, float], np.ndarray | None]:
    if isinstance(t, tuple) and len(t) == 2:
        t0, t1 = check_number("t[0]", t[0]), check_number("t[1]", t[1])
        if not t0 < t1:
            raise ValueError(f"t: expected t0 < t1, got ({t0:g}, {t1:g})")
        return (t0, t1), None
    samples = check_increasing("t", t, least=2)
    return (float(samples[0]), float(samples[-1])), samples


def _input(model: AdditiveModel, x: Any, span: tuple[float, float]) -> Signal | None:
    if x is None:
        return None
    if not model.input:
        raise ValueError("x: the model has no input term (C is None), expected None")
    earliest = span[0] - max(model.input_delays)
    return as_signal("x", x, model.input_width, (earliest, span[1]))


class _Past(Signal):
    """A trajectory as the history of another."""

    def __init__(self, trajectory: Trajectory) -> None:
        self.knots, self.order = trajectory.knots, 1
        self.start, self.end = trajectory.start, trajectory.end
        self._values = trajectory.dense  # type: ignore[assignment]

    def left(self, t: Any) -> Array:
        return self(t)

    def piece(self, a: float, b: float) -> Any:
        return self._values


def _history(model: AdditiveModel, history: Any, span: tuple[float, float]) -> Signal:
    earliest = span[0] - max(model.delays, default=0.0)
    if isinstance(history, Trajectory):
        if history.dense is None:
            raise ValueError("history: this trajectory was loaded from a file, which keeps no dense output")
        history = _Past(history)
    if callable(history):
        return as_signal("history", history, model.width, (earliest, span[0]))
    return Constant(_state("history", history, model.width))


def _state(name: str, value: Any, width: int) -> Array:
    state = check_array(name, value)
    if state.ndim == 0 and width == 1:
        state = state.reshape((1,))
    if state.ndim == 0 or state.shape[-1] != width:
        raise ValueError(f"{name}: expected shape (..., {width}), got {tuple(state.shape)}")
    return state


def _one_kind(
    model: AdditiveModel, x: Signal | None, before: Array, start: Array, t0: float
) -> tuple[AdditiveModel, Array]:
    """The model and s(t0), all NumPy or all torch, s(t0) with the batch shape that history and input share."""
    known = {"s0": start}
    if model.delays:
        known["history"] = before
    if x is not None:
        known["x"] = x(t0)
    like = next((v for v in (model.phi, *known.values()) if is_torch(v)), model.phi)
    batches = {name: tuple(value.shape[:-1]) for name, value in known.items()}
    try:
        batch = np.broadcast_shapes(*batches.values())
    except ValueError:
        got = ", ".join(f"{name} {shape}" for name, shape in batches.items())
        raise ValueError(f"s0, history, x: expected batch shapes that broadcast, got {got}") from None
    return model.like(like), broadcast_to(as_like(start, like), (*batch, model.width))


def _seeds(
    model: AdditiveModel, x: Signal | None, past: Signal, span: tuple[float, float], jumps: bool
) -> list[tuple[float, int]]:
    """Times at which a derivative of the solution jumps for a reason of its own."""
    seeds = [(span[0], 0 if jumps else 1)]
    reach = max(model.delays, default=0.0)
    seeds += [(float(k), past.order) for k in past.knots if span[0] - reach <= k < span[0]]
    if x is not None:
        seeds += [(float(k) + delay, x.order + 1) for delay in model.input_delays for k in x.knots]
    return [seed for seed in seeds if seed[0] < span[1]]


def _deepest(rtol: float) -> int:
    """The highest derivative whose jump can be seen at this tolerance."""
    return min(14, 3 + int(np.ceil(-np.log10(rtol))))
