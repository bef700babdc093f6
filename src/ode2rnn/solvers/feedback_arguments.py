"""The history and the breaking points of a flow whose later times see a readout v beside s.  Uses: K1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, check_state, concatenate, is_torch
from ode2rnn.core.signals import Constant, as_signal
from ode2rnn.core.signals.signal import NO_KNOTS, Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.solvers.feedback import Sides, SolvedSignal

MOST_POINTS = 10**6


class PastSignal(Signal):
    """s and v before t0 side by side, (T, ..., 2 d)."""

    def __init__(self, s: Signal, v: Signal) -> None:
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


def feedback_points(flow: Flow, x: Signal | None, past: PastSignal, span: tuple[float, float]) -> np.ndarray:
    """Every knot of the input and of the history, t0, and all of them again after every delay."""
    (t0, t1), tau = span, max(flow.delays, default=0.0)
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


def feedback_history(flow: Flow, history: object, span: tuple[float, float]) -> PastSignal:
    """s and v before t0, from a pair of histories, from one for s (v is 0 then), or from a trajectory.

    Raises:
        ValueError: naming what was expected and what came.
    """
    tau = max(flow.delays, default=0.0)
    earliest = span[0] - tau
    if isinstance(history, Trajectory):
        if not isinstance(history.dense, Sides) or not isinstance(history.shown, Sides):
            raise ValueError(
                "history: expected a trajectory of integrate for a ContinuousLSTM, with its dense output; of others the"
                " readout between the samples is not known"
            )
        if history.start > earliest + 1e-9 * tau or history.end < span[0] - 1e-12 * abs(span[0]):
            raise ValueError(
                f"history: expected a trajectory that covers [{earliest:g}, {span[0]:g}], a delay before t0, got one on"
                f" [{history.start:g}, {history.end:g}]"
            )
        return PastSignal(SolvedSignal(history.dense, history), SolvedSignal(history.shown, history))
    pair = history if isinstance(history, tuple) and len(history) == 2 else (history, np.zeros(flow.feedback_width))
    names, widths = ("history", "history[1]"), (flow.width, flow.feedback_width)
    return PastSignal(*(_half(*each, (earliest, span[0])) for each in zip(names, pair, widths, strict=True)))


def both_at(past: PastSignal, t: float) -> Array:
    """s at one time of the past, with the batch of both halves."""
    at = np.array([t])
    return _broadcast(past.s._values(at), past.v._values(at))[0][0]


def _half(name: str, value: object, width: int, span: tuple[float, float]) -> Signal:
    return as_signal(name, value, width, span) if callable(value) else Constant.of(check_state(name, value, width))
