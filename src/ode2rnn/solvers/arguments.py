"""The arguments of integrate(), checked and turned into a Problem before any work is done."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import (
    MOST_STEPS,
    Array,
    as_like,
    broadcast_to,
    check_increasing,
    check_number,
    check_positive,
    check_state,
    is_torch,
)
from ode2rnn.core.signals import Constant, Signal, as_signal, probed_signal
from ode2rnn.core.signals.signal import NO_KNOTS
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.tangents import check_gradients
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.solvers.breaking import breaking_points
from ode2rnn.solvers.feedback_arguments import both_at, feedback_history, feedback_points
from ode2rnn.solvers.problem import Problem

SMALLEST_RTOL = 1e-14
# the shortest time that a method can follow, as a share of the largest time: ten thousand roundings
RESOLVED = 1e4 * np.finfo(float).eps
NUMPY = np.zeros(0)


def build_problem(model: Any, x: Any, t: Any, history: Any, s0: Any, rtol: Any, atol: Any, dt: Any) -> Problem:
    """The Problem that the arguments of integrate() describe.

    Raises:
        ValueError: naming the argument, what was expected and what came.
    """
    check_flow("model", model)
    span, samples = check_times(t)
    rtol = check_number("rtol", rtol)
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol: expected a number in [{SMALLEST_RTOL:g}, 1), got {rtol:g}")
    atol = check_positive("atol", atol)
    dt = None if dt is None else check_positive("dt", dt)
    check_scales(span, model.delays, dt)
    signal, probe = _input(model, x, span)
    past: Signal
    if model.feedback_width:
        past = beside = feedback_history(model, history, span)
        before = both_at(beside, span[0])
    else:
        past = _history(model, history, span)
        before = past.value if isinstance(past, Constant) else past.left(span[0])
    start = before if s0 is None else check_state("s0", s0, model.width)
    model, start = _one_kind(model, probe, before, start, span[0])
    if is_torch(start):
        _check_tensors(model, None if probe is None else probe[0], before, start, span[0])
    points = NO_KNOTS
    if model.feedback_width:
        points = feedback_points(model, signal, beside, span)
    elif model.delays or (signal is not None and len(signal.knots)):
        seeds = _seeds(model, signal, past, span, jumps=s0 is not None)
        points = breaking_points(seeds, model.delays, span, _deepest(rtol))
    return Problem(model, signal, past, start, span, points, rtol, atol, dt, samples)


def check_flow(name: str, model: Any) -> Flow:
    """``model`` if it is a Flow.

    Raises:
        ValueError: it is none; of a function it says how to make one.
    """
    if isinstance(model, Flow):
        return model
    got = type(model).__name__
    if callable(model) and not isinstance(model, type):
        raise ValueError(
            f"{name}: expected an AdditiveModel or ContinuousRNN, or another Flow, got a function; say Flow(f, width)"
            " or Map(f, width)"
        )
    raise ValueError(f"{name}: expected an AdditiveModel or ContinuousRNN, or another Flow, got {got}")


def check_times(t: Any) -> tuple[tuple[float, float], np.ndarray | None]:
    """The range (t0, t1) that ``t`` describes, and the samples to keep, None for the solver's own nodes."""
    if isinstance(t, tuple) and len(t) == 2:
        t0, t1 = check_number("t[0]", t[0]), check_number("t[1]", t[1])
        if not t0 < t1:
            raise ValueError(f"t: expected t0 < t1, got ({t0:g}, {t1:g})")
        return (t0, t1), None
    samples = check_increasing("t", t, least=2)
    return (samples.item(0), samples.item(-1)), samples


def check_scales(span: tuple[float, float], delays: tuple[float, ...], dt: float | None) -> None:
    """Refuse times and delays too far apart to resolve."""
    length, largest = span[1] - span[0], max(abs(span[0]), abs(span[1]))
    if not math.isfinite(length):
        raise ValueError(f"t: expected a range of finite length, got ({span[0]:g}, {span[1]:g})")
    shortest = min((*delays, length))
    if shortest < RESOLVED * largest:
        raise ValueError(
            f"t: numbers near {largest:g} are too far apart to resolve a time of {shortest:g}; shift t towards 0"
        )
    if length / shortest > MOST_STEPS:
        raise ValueError(
            f"t: expected at most {MOST_STEPS:g} intervals of the shortest delay {shortest:g}, got"
            f" {length / shortest:.3g}; leave out a delay this short"
        )
    if dt is not None and length / dt > MOST_STEPS:
        raise ValueError(f"dt: expected at most {MOST_STEPS:g} steps from t0 to t1, got {length / dt:.3g} (dt {dt:g})")


def _input(model: Flow, x: Any, span: tuple[float, float]) -> tuple[Signal | None, Array | None]:
    """The input, and its values at both ends of the range, (2, ..., m)."""
    if x is None:
        return None, None
    if not model.input_width:
        raise ValueError("x: the model has no input term (C is None), expected None")
    delays = (0.0, *model.input_delays)  # 0: the trajectory keeps x(t) itself, too
    return probed_signal("x", x, model.input_width, (span[0] - max(delays), span[1] - min(delays)))


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


def _history(model: Flow, history: Any, span: tuple[float, float]) -> Signal:
    earliest = span[0] - max(model.delays, default=0.0)
    if isinstance(history, Trajectory):
        if history.dense is None:
            raise ValueError(
                "history: expected a trajectory with dense output; one that was loaded from a file, or solved with"
                " adjoint=True, keeps none"
            )
        if history.start > earliest or history.end < span[0]:
            raise ValueError(
                f"history: expected a trajectory that covers [{earliest:g}, {span[0]:g}], the longest delay before t0,"
                f" got one on [{history.start:g}, {history.end:g}]; go on from a run at least as long as that delay"
            )
        history = _Past(history)
    if callable(history):
        return as_signal("history", history, model.width, (earliest, span[0]))
    return Constant.of(check_state("history", history, model.width))


def _one_kind(model: Flow, x: Array | None, before: Array, start: Array, t0: float) -> tuple[Flow, Array]:
    """The model and s(t0), all NumPy or all torch, s(t0) with the batch shape that history and input share."""
    known = {"s0": start}
    if model.delays:
        known["history"] = before
    if x is not None:
        known["x"] = x[0]
    like, single = next(iter(model.tensors()), NUMPY), True
    for value in known.values():
        if is_torch(value) and not is_torch(like):
            like = value
        single = single and value.ndim == 1
    if single:
        return model.like(like), as_like(start, like)
    batches = {name: tuple(value.shape[:-1]) for name, value in known.items()}
    got = ", ".join(f"{name} {shape}" for name, shape in batches.items())
    try:
        batch = np.broadcast_shapes(*batches.values())
    except ValueError:
        raise ValueError(f"s0, history, x: expected batch shapes that broadcast, got {got}") from None
    if 0 in batch:
        raise ValueError(f"s0, history, x: expected a batch of at least one trajectory, got {got}")
    return model.like(like), broadcast_to(as_like(start, like), (*batch, model.width))


def _check_tensors(model: Flow, x: Array | None, before: Array, start: Array, t0: float) -> None:
    """Refuse a rate that does not take tensors to tensors."""
    if isinstance(model, AdditiveModel) or model.feedback_width:
        return
    dense = None if x is None or not model.input_width else as_like(x, start)
    seen = [as_like(value, start).detach().requires_grad_() for value in (start, *((before,) * len(model.delays)))]
    try:
        rate = model.rate(t0, seen[0], seen[1:], dense)
    except ValueError:
        raise
    except Exception as error:  # whatever a function of NumPy arrays raises at a tensor
        raise ValueError(
            f"model: expected a rate that takes tensors, as s0 or history is one; it raised {error!r:.200}"
        ) from error
    if not is_torch(rate):
        raise ValueError(f"model: expected a rate that takes tensors to tensors, got {type(rate).__name__}")
    if not sys.modules["torch"].is_grad_enabled():
        return
    shown = ["the state", *(f"s(t - {delay:g})" for delay in model.delays), "the input"]
    values = [*seen, *([] if dense is None else [dense])]

    def rated(s: Array, *rest: Array) -> Array:
        return model.rate(t0, s, rest[: len(model.delays)], rest[-1] if dense is not None else None)

    check_gradients(model, "model", shown[: len(values)], rated, values)


def _seeds(
    model: Flow, x: Signal | None, past: Signal, span: tuple[float, float], jumps: bool
) -> list[tuple[float, int]]:
    """Times at which a derivative of the solution jumps for a reason of its own."""
    seeds = [(span[0], 0 if jumps else 1)]
    reach = max(model.delays, default=0.0)
    seeds += [(float(k), past.order) for k in past.knots if span[0] - reach <= k < span[0]]
    if x is not None:
        arrivals = [float(k) + delay for delay in model.input_delays or (0.0,) for k in x.knots]
        seeds += [(time, x.order + 1) for time in arrivals if span[0] <= time < span[1]]
    return seeds


def _deepest(rtol: float) -> int:
    """The highest derivative whose jump can be seen at this tolerance."""
    return min(14, 3 + int(np.ceil(-np.log10(rtol))))
