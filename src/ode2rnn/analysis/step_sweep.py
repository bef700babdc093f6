"""One network sampled with many steps dT: where each run ends, between which bounds it moves, or all of it.

Uses: D1, D2, D4, D10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.convergence import divided, tied_model
from ode2rnn.analysis.recursion import sample
from ode2rnn.analysis.sweep_lanes import Job, lanes
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import check_array, check_choice, check_count, check_number, check_shape, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.signals import Signal, as_signal
from ode2rnn.core.trajectory import SimulationError, Stats, Trajectory
from ode2rnn.discrete.schemes import discretize, rule_name

KEEP = ("final", "range", "states")


@dataclass(frozen=True, eq=False)
class StepSweep:
    """What the runs with K steps came to.

    Attributes:
        dts: the steps (K,), in the model's unit of time, in the order they were given.
        ticks: the length of each run, in ticks (K,).
        final: s of the last tick, (K, d); NaN where the run diverged.
        low, high: bounds of s after the settling time, (K, d), NaN where the run diverged; None if not kept.
        states: s[0 .. N-1] of each run, (N, d), up to where it diverged; None if not kept.
        diverged: the runs that overflowed, (K,) of bool.
    """

    dts: np.ndarray
    ticks: np.ndarray
    final: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    states: list[np.ndarray] | None
    diverged: np.ndarray


def sweep_steps(
    model: AdditiveModel,
    x: Any = None,
    *,
    dts: Sequence[float] | np.ndarray,
    t: tuple[float, float] | None = None,
    ticks: int | None = None,
    history: Any = 0.0,
    scheme: str = "backward_euler",
    alpha: float | None = None,
    delay: str = "fixed",
    keep: str = "final",
    settle: float = 0.5,
) -> StepSweep:
    """Sample ``model`` with every dT and run it, thousands of them at once (D4, D10).

    All rules of D10 are functions of dT A, which share their eigenvectors: where these are well conditioned, one
    product serves 64 steps. Otherwise, and for models with several delays, each step is discretized and run.

    Args:
        model: in NumPy.
        x: an input signal, sampled at the end of each tick (D1); or an array (N, m), the same for all dT. None for
            zero input.
        dts: the steps, in the model's unit of time; each divides the delays.
        t: (t0, t1), which each step divides; or
        ticks: the length of every run, from t0 = 0.
        history: s before t0, a constant (d,) or a number for all components; without input before the first tick.
        scheme, alpha: as for `discretize`.
        delay: "fixed": the model's own delays; "tied": tau_0 = dT in place of an undelayed readout (D2).
        keep: "final"; "range", for low and high too; or "states", for those and all states.
        settle: the part of each run before ``low`` and ``high`` begin, in [0, 1).

    Raises:
        ValueError: arguments that do not fit, a dT that does not divide, a singular I - dT A.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> ring = ContinuousRNN(A=-1.0, B=-4.0, C=None, phi=None, tau=0.0)
        >>> sweep = sweep_steps(ring, dts=[0.1, 0.5, 2.0], ticks=400, history=0.5, delay="tied", keep="range")
        >>> (sweep.high - sweep.low).ravel().round(3)
        array([0.  , 0.  , 3.83])
    """
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}")
    check_choice("delay", delay, ("fixed", "tied"))
    check_choice("keep", keep, KEEP)
    settle = check_number("settle", settle)
    if not 0 <= settle < 1:
        raise ValueError(f"settle: expected a number in [0, 1), got {settle:g}")
    model = model.like(np.zeros(1))
    steps = _steps(dts)
    tied = [tied_model(model, dt) for dt in steps[:1]] if delay == "tied" else []
    span, counts = _counts(model, steps, t, ticks, tied=bool(tied))
    signal, values = _input(model, x, span, counts)
    start = to_numpy(check_array("history", history))
    start = check_shape("history", np.full(model.width, start) if start.ndim == 0 else start, (model.width,))
    job = Job(model, signal, values, start, span[0], rule_name(scheme, alpha), delay == "tied", keep, settle)
    K, d = len(steps), model.width
    kept = keep != "final"
    final, low, high = (np.full((K, d), np.nan) for _ in range(3))
    states: list[np.ndarray] = [np.zeros((0, d))] * K
    done = lanes(job, steps, counts, final, low, high, states)
    for k in np.flatnonzero(~done):
        trajectory = _one(job, float(steps[k]), int(counts[k]), scheme, alpha)
        states[k] = trajectory.s if keep == "states" else states[k]
        if trajectory.success:
            final[k] = trajectory.s[-1]
            rest = trajectory.s[int(settle * counts[k]) :]
            low[k], high[k] = rest.min(axis=0), rest.max(axis=0)
    diverged = ~np.isfinite(final).all(axis=1)
    for bounds in (final, low, high):
        bounds[diverged] = np.nan
    return StepSweep(
        steps,
        counts,
        final,
        low if kept else None,
        high if kept else None,
        states if keep == "states" else None,
        diverged,
    )


def _one(job: Job, dt: float, count: int, scheme: str, alpha: float | None) -> Trajectory:
    """The plain twin: one step, discretized and run; the valid part where it diverges."""
    cell = discretize(tied_model(job.model, dt) if job.tied else job.model, dt, scheme, alpha)
    x: Any = count
    if cell.input_width:
        x = np.zeros((count, cell.input_width)) if job.values is None else job.values[:count]
        if job.signal is not None:
            x = sample(job.signal, job.t0 + dt * np.arange(1, count + 1), dt)
    try:
        return run(cell, x, job.start)
    except SimulationError as error:
        if error.trajectory is None:
            empty = np.zeros((0, job.model.width))
            return Trajectory(np.zeros(0), empty, empty, None, stats=Stats("none"), status=-1)
        return error.trajectory


def _steps(dts: Any) -> np.ndarray:
    steps = to_numpy(check_array("dts", dts))
    if steps.ndim != 1 or len(steps) < 1 or not (steps > 0).all():
        raise ValueError(f"dts: expected a list of steps > 0, got {dts!r:.80}")
    return steps


def _counts(
    model: AdditiveModel, steps: np.ndarray, t: Any, ticks: Any, tied: bool
) -> tuple[tuple[float, float], np.ndarray]:
    """The range that inputs must cover, and the number of ticks of each step."""
    if (t is None) == (ticks is None):
        raise ValueError("t, ticks: expected one of them, the range (t0, t1) or the number of ticks")
    if ticks is not None:
        count = check_count("ticks", ticks)
        return (0.0, float(count * steps.max())), np.full(len(steps), count)
    if not isinstance(t, tuple) or len(t) != 2 or not t[0] < t[1]:
        raise ValueError(f"t: expected the range (t0, t1) with t0 < t1, got {t!r:.80}")
    span = check_number("t[0]", t[0]), check_number("t[1]", t[1])
    return span, np.array([divided(model, float(dt), span) for dt in steps])


def _input(
    model: AdditiveModel, x: Any, span: tuple[float, float], counts: np.ndarray
) -> tuple[Signal | None, np.ndarray | None]:
    """The input as a signal, or as an array (N, m) that serves every step."""
    if x is None:
        return None, None
    if not model.input:
        raise ValueError("x: the model has no input term (C is None), expected None")
    if callable(x):
        return as_signal("x", x, model.input_width, (span[0] - max(model.input_delays), span[1])), None
    values = to_numpy(check_array("x", x))
    values = values[:, None] if values.ndim == 1 and model.input_width == 1 else values
    if values.ndim != 2 or values.shape[1] != model.input_width or len(values) < counts.max():
        raise ValueError(f"x: expected a signal, or shape ({counts.max()}, {model.input_width}), got {values.shape}")
    return None, values
