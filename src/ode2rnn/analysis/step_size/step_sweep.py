"""One network sampled with many steps dT: where each run ends, between which bounds it moves, or all of it.

Uses: D1, D2, D4, D10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.sampling import Sampling
from ode2rnn.analysis.step_size.convergence import divided
from ode2rnn.analysis.step_size.recursion import sample
from ode2rnn.analysis.step_size.shared_basis import Job, Kept, run_together
from ode2rnn.continuous.additive import AdditiveModel, as_additive
from ode2rnn.core.arrays import brief, check_array, check_choice, check_count, check_number, check_shape, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.signals import Signal, as_signal
from ode2rnn.core.trajectory import SimulationError, Stats, Trajectory
from ode2rnn.discrete.schemes import rule_name

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
    x: Signal | ArrayLike | None = None,
    *,
    dts: ArrayLike,
    t: tuple[float, float] | int,
    history: ArrayLike = 0.0,
    sampling: Sampling | str = "backward_euler",
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
        t: (t0, t1), which each step divides; or a whole number, the ticks of every run, from t0 = 0.
        history: s before t0, a constant (d,) or a number for all components; without input before the first tick.
        sampling: how the model is sampled, or the name of a scheme.
        keep: "final"; "range", for low and high too; or "states", for those and all states.
        settle: the part of each run before ``low`` and ``high`` begin, in [0, 1).

    Raises:
        ValueError: arguments that do not fit, a dT that does not divide, a singular I - dT A.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> ring = ContinuousRNN(A=-1.0, B=-4.0, C=None, phi=None, tau=0.0)
        >>> sweep = sweep_steps(ring, dts=[0.1, 0.5, 2.0], t=400, history=0.5, sampling=Sampling(delay="tied"),
        ...                     keep="range")
        >>> (sweep.high - sweep.low).ravel().round(3)
        array([0.  , 0.  , 3.83])
    """
    as_additive("model", model)
    own = _check_sampling(sampling)
    check_choice("keep", keep, KEEP)
    settle = check_number("settle", settle)
    if not 0 <= settle < 1:
        raise ValueError(f"settle: expected a number in [0, 1), got {settle:g}")
    model = model.like(np.zeros(1))
    steps = _steps(dts)
    if own.delay == "tied":
        model.tied(float(steps[0]))  # what cannot be tied is told before any work
    span, counts = _counts(model, steps, t)
    signal, values = _input(model, x, span, counts)
    start = to_numpy(check_array("history", history))
    start = check_shape("history", np.full(model.width, start) if start.ndim == 0 else start, (model.width,))
    job = Job(
        model, signal, values, start, span[0], rule_name(own.scheme, own.alpha), own.delay == "tied", keep, settle
    )
    K, d = len(steps), model.width
    kept = keep != "final"
    final, low, high = (np.full((K, d), np.nan) for _ in range(3))
    states: list[np.ndarray] = [np.zeros((0, d))] * K
    done = run_together(job, steps, counts, Kept(final, low, high, states))
    for k in np.flatnonzero(~done):
        trajectory = _one(job, own, float(steps[k]), int(counts[k]))
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


def _check_sampling(sampling: Sampling | str) -> Sampling:
    own = Sampling(sampling) if isinstance(sampling, str) else sampling
    if not isinstance(own, Sampling) or own.dt is not None:
        raise ValueError(f"sampling: expected the name of a scheme, or a Sampling without dt, got {brief(sampling)}")
    if own.lag != 1:
        raise ValueError(f"sampling: expected a lag of 1, got {own.lag}")
    return own


def _one(job: Job, sampling: Sampling, dt: float, count: int) -> Trajectory:
    """The plain reference: one step, discretized and run; the valid part where it diverges."""
    cell = sampling.of(job.model, dt)
    x: int | np.ndarray = count
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


def _steps(dts: ArrayLike) -> np.ndarray:
    steps = to_numpy(check_array("dts", dts))
    if steps.ndim != 1 or len(steps) < 1 or not (steps > 0).all():
        raise ValueError(f"dts: expected a list of steps > 0, got {dts!r:.80}")
    return steps


def _counts(
    model: AdditiveModel, steps: np.ndarray, t: tuple[float, float] | int
) -> tuple[tuple[float, float], np.ndarray]:
    """The range that inputs must cover, and the number of ticks of each step."""
    if not isinstance(t, tuple | list):
        count = check_count("t", t)
        return (0.0, float(count * steps.max())), np.full(len(steps), count)
    if len(t) != 2 or not t[0] < t[1]:
        raise ValueError(f"t: expected the range (t0, t1) with t0 < t1, or a number of ticks, got {t!r:.80}")
    span = check_number("t[0]", t[0]), check_number("t[1]", t[1])
    return span, np.array([divided(model, float(dt), span) for dt in steps])


def _input(
    model: AdditiveModel, x: Signal | ArrayLike | None, span: tuple[float, float], counts: np.ndarray
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
