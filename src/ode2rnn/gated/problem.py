"""The arguments of integrate() for a ContinuousLSTM, checked before any work is done.  Uses: K1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_array,
    check_number,
    check_positive,
    concatenate,
    is_torch,
)
from ode2rnn.core.signal import NO_KNOTS, Signal
from ode2rnn.core.signals import Constant, as_signal, probed_signal
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.segment import LSTMProblem, LSTMTrajectory, Sides, Solved
from ode2rnn.solvers.arguments import SMALLEST_RTOL, check_scales, check_times

MOST_POINTS = 10**6


class Past(Signal):
    """s and v before t0 side by side, (T, ..., 2 d)."""

    def __init__(self, s: Any, v: Any) -> None:
        self.s, self.v = s, v
        self.knots = np.union1d(s.knots, v.knots) if len(s.knots) or len(v.knots) else NO_KNOTS

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        """The smooth functions between a and b."""
        s, v = self.s.piece(a, b), self.v.piece(a, b)

        def values(t: np.ndarray) -> Array:
            return concatenate(_broadcast(s(t), v(t)), axis=-1)

        return values


def _broadcast(*values: Array) -> list[Array]:
    """Values (T, ..., d) with the batch axes of all."""
    like = next((v for v in values if is_torch(v)), values[0])
    values = tuple(as_like(v, like) for v in values)
    batch = np.broadcast_shapes(*(tuple(v.shape[1:-1]) for v in values))
    shaped = (v.reshape((len(v), *(1,) * (len(batch) + 2 - v.ndim), *v.shape[1:])) for v in values)
    return [broadcast_to(v, (v.shape[0], *batch, v.shape[-1])) for v in shaped]


def build(model: ContinuousLSTM, x: Any, given: dict[str, Any]) -> tuple[LSTMProblem, np.ndarray | None]:
    """The problem that the arguments of integrate() describe, and the samples to keep.

    Raises:
        ValueError: naming the argument, what was expected and what came.
    """
    span, samples = check_times(given["t"])
    rtol, atol = check_number("rtol", given["rtol"]), check_positive("atol", given["atol"])
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol: expected a number in [{SMALLEST_RTOL:g}, 1), got {rtol:g}")
    check_scales(span, model.delays, None)
    signal, probe = None, None
    if x is not None:
        signal, probe = probed_signal("x", x, model.input_width, span)
    past = _history(model, given["history"], span)
    t0 = np.array([span[0]])
    before = _broadcast(past.s._values(t0), past.v._values(t0))[0][0]
    start = before if given["s0"] is None else _state("s0", given["s0"], model.width)
    known = [start, before, *([] if probe is None else [probe[0]])]
    like = next((value for value in (model.cell.like, *known) if is_torch(value)), model.cell.like)
    try:
        batch = np.broadcast_shapes(*(tuple(value.shape[:-1]) for value in known))
    except ValueError:
        got = ", ".join(str(tuple(value.shape[:-1])) for value in known)
        raise ValueError(f"s0, history, x: expected batch shapes that broadcast, got {got}") from None
    start = broadcast_to(as_like(start, like), (*batch, model.width))
    points = _points(model, signal, past, span)
    problem = LSTMProblem(
        model.like(like), signal, past, start, span, points, rtol, atol, None, None, facts={"network": None}
    )
    return problem, samples


def _points(model: ContinuousLSTM, x: Signal | None, past: Past, span: tuple[float, float]) -> np.ndarray:
    """Every knot of the input and of the history, t0, and all of them again after every delay."""
    (t0, t1), tau = span, model.delay
    seeds = np.array([t0, *(past.knots if tau else ()), *(() if x is None else x.knots)], dtype=float)
    seeds = seeds[(seeds >= t0 - tau - 1e-12 * abs(t0)) & (seeds < t1)]
    if tau:
        count = int(np.ceil((t1 - t0) / tau)) + 2
        # a seed and the grid of another that it lies on give the same points: one is enough
        phases = np.mod((seeds - t0) / tau, 1.0)
        kept: list[int] = []
        for k in np.argsort(seeds, kind="stable").tolist():
            gaps = np.abs(phases[k] - phases[kept])
            if (np.minimum(gaps, 1 - gaps) > 1e-10).all():
                kept.append(k)
        if len(kept) * count > MOST_POINTS:
            raise ValueError(
                f"x: expected at most {MOST_POINTS:g} breaking points, got {len(kept)} knots that come back after every"
                f" delay, {count} times; use a smooth input, or knots a multiple of tau apart"
            )
        seeds = (seeds[kept][:, None] + tau * np.arange(count)).ravel()
    close = max(1e-10 * (tau or t1 - t0), 16 * np.finfo(float).eps * max(abs(t0), abs(t1)))
    inside = np.sort(seeds[(seeds > t0 + close) & (seeds < t1 - close)])
    return inside[np.diff(inside, prepend=-np.inf) > close]


def _history(model: ContinuousLSTM, history: Any, span: tuple[float, float]) -> Past:
    earliest = span[0] - model.delay
    if isinstance(history, Trajectory):
        if not isinstance(history, LSTMTrajectory) or not isinstance(history.dense, Sides):
            raise ValueError(
                "history: expected a trajectory of integrate for a ContinuousLSTM, with its dense output; of others the"
                " readout between the samples is not known"
            )
        if history.start > earliest + 1e-9 * model.delay or history.end < span[0] - 1e-12 * abs(span[0]):
            raise ValueError(
                f"history: expected a trajectory that covers [{earliest:g}, {span[0]:g}], a delay before t0, got one on"
                f" [{history.start:g}, {history.end:g}]"
            )
        return Past(Solved(history.dense, history), Solved(history.dense_v, history))
    pair = isinstance(history, tuple) and len(history) == 2
    s, v = history if pair else (history, np.zeros(model.width))
    return Past(*(_half(name, part, model, (earliest, span[0])) for name, part in (("history", s), ("history[1]", v))))


def _half(name: str, value: Any, model: ContinuousLSTM, span: tuple[float, float]) -> Signal:
    if callable(value):
        return as_signal(name, value, model.width, span)
    return Constant.of(_state(name, value, model.width))


def _state(name: str, value: Any, width: int) -> Array:
    state = check_array(name, value)
    if state.ndim == 0 and width == 1:
        state = state.reshape((1,))
    if state.ndim == 0 or state.shape[-1] != width:
        raise ValueError(f"{name}: expected shape (..., {width}), got {tuple(state.shape)}")
    return state
