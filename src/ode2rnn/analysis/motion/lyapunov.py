"""Lyapunov exponents: how fast small deviations grow along a motion, in every direction.

Uses: B4, B5.  Tangent vectors are carried along and made orthogonal again by QR (Benettin et al. 1980); no product of
Jacobians is formed, so the leading exponents cost what their vectors cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.analysis.motion.variational import (
    DelaySteps,
    FlowSteps,
    MapSteps,
    TangentSteps,
    pilot_step,
    resolved_steps,
)
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.subject import Subject, as_subject, at_rest
from ode2rnn.core.arrays import check_array, check_count, check_nonnegative, check_positive, check_shape, to_numpy
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow
from ode2rnn.core.trajectory import SimulationError

BATCHES = 20
# vectors are made orthogonal before the shortest is covered by what rounding leaves of the longest
SPREAD, MOST_STEPS_A_QR = 1e-6, 50
KEPT = 400  # points of the convergence history


@dataclass(frozen=True, eq=False)
class Lyapunov:
    """Lyapunov exponents, the largest first.

    Attributes:
        exponents: per unit of time, (k,); minus infinity where a direction is lost in finite time.
        errors: their standard errors, from the means of twenty consecutive parts of the run, (k,).
        times: of the convergence history, (Q,), from the end of the transient.
        history: the exponents as estimated from the run up to these times, (Q, k).
        dt: length of a step, in the unit of time.
        steps: how many the exponents were taken from.
        every: steps between two orthogonalizations, at the end.
        discrete: whether the system is a map, whose steps mean something.
        s: the state at the end, to go on from as s0.
        complete: False where an interrupt ended the run.
    """

    exponents: np.ndarray
    errors: np.ndarray
    times: np.ndarray
    history: np.ndarray
    dt: float
    steps: int
    every: int
    discrete: bool
    s: np.ndarray
    complete: bool = True

    @property
    def per_step(self) -> np.ndarray:
        """The exponents per step (of a layer, per tick), (k,)."""
        return self.exponents * self.dt

    @property
    def dimension(self) -> float:
        """The Kaplan-Yorke dimension; NaN where the sum of the exponents computed is not negative yet."""
        total = np.cumsum(self.exponents)
        if not total[-1] < 0:
            return float("nan")
        j = int(np.argmax(total < 0))
        return float(j + (total[j - 1] if j else 0.0) / abs(self.exponents[j]))

    def __str__(self) -> str:
        lines = [f"{'exponent':>14}{'+-':>12}{'per step':>14}"]
        for value, error, step in zip(self.exponents, self.errors, self.per_step, strict=True):
            lines.append(f"{value:14.6g}{error:12.2g}{step:14.6g}")
        lines.append(f"{self.steps} steps of {self.dt:.6g}, Kaplan-Yorke dimension {self.dimension:.4g}")
        return "\n".join(lines)


def lyapunov(
    system: Any,
    x: Any = None,
    steps: int | None = None,
    *,
    T: float | None = None,
    count: int | None = None,
    every: int | None = None,
    transient: float | None = None,
    s0: Any = None,
    dt: float | None = None,
    seed: int = 0,
) -> Lyapunov:
    """Return the leading ``count`` Lyapunov exponents of a flow, a delay equation, a map or a trained layer.

    A flow goes by steps of DOP853 whose length a pilot run finds; a delay equation by collocation on panels, its state
    the nodes of the last ones; a recursion with taps remembers what it needs; a layer is its own map.

    Args:
        system: a Flow with or without delays (an AdditiveModel, a ContinuousLSTM, your own), a System (a cell, a
            Sampled model, a Map), torch's RNN, LSTM, GRU, their cells, or a layer of ode2rnn.nn in one direction.
        x: of a map the inputs (N, m), one a step, or a constant input (m,); of a flow a constant input.
        steps: of a map, after the transient; by default those of x, or 10000.
        T: the time instead; of a flow by default 1000.
        count: how many; by default all, and of a delay equation 3.
        every: steps between two orthogonalizations; adjusted to the growth by default.
        transient: the time, of a map the steps, before the exponents are taken; by default a tenth, but no input of x.
        s0: the state to start from, (n,) or (d,), by default a random one near 0; of a delay equation a constant past,
            or a function of t <= 0, (d,).
        dt: step of a flow; chosen by default.
        seed: of the start and of the first directions.

    An interrupt (Ctrl-C) ends the run; what was found so far is returned.

    Raises:
        ValueError: no system, wrong shapes, NaN, a number of steps for a flow.
        SimulationError: the motion diverges.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(np.diag([0.5, 0.0]), np.diag([0.0, 2.0]), None, np.zeros(2), activation="identity")
        >>> lyapunov(cell, steps=100, s0=[0.0, 0.0]).per_step.round(6)  # log 2 and log 1/2
        array([ 0.693147, -0.693147])
    """
    subject = as_subject(system)
    inner, tick = subject.inner()
    if subject.discrete and not inner.discrete:
        # its ticks are those of the equation itself
        length = tick * check_count("steps", 10_000 if steps is None else steps) if T is None else T
        before = None if transient is None else tick * check_nonnegative("transient", transient)
        found = lyapunov(inner, x, T=length, count=count, every=every, transient=before, s0=s0, dt=dt, seed=seed)
        return replace(found, dt=tick, steps=round(found.steps * found.dt / tick), discrete=True)
    motion = _motion(inner, int(tick), x, s0, dt, seed)
    rule, S, drives = motion.rule, motion.start, motion.drives
    total, warm = _lengths(motion, steps, T, transient)
    k = min(motion.usual if count is None else check_count("count", count), rule.size)
    fixed = None if every is None else check_count("every", every)
    # the first directions do not depend on how many there are, nor then do the first exponents
    V = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((k, rule.size)).T)[0].T
    logs: list[np.ndarray] = []
    lengths: list[int] = []
    between, done, complete = fixed or 1, -warm, True
    S = S.copy()
    try:
        with progress(total + warm, "lyapunov", "step") as bar, np.errstate(all="ignore"):
            while done < total:
                # the transient ends with an orthogonalization
                stride = min(between, (-done if done < 0 else total - done))
                for n in range(done, done + stride):
                    S, V = rule.carry(S, V, drives[(n + warm) % len(drives)])
                done += stride
                if not np.isfinite(S).all() or not np.isfinite(V).all():
                    raise SimulationError(
                        f"the motion diverges at step {done + warm}; try another s0, or a smaller every"
                    )
                Q, R = np.linalg.qr(V.T)
                V, sizes = np.ascontiguousarray(Q.T), np.abs(np.diag(R))
                if done > 0:
                    logs.append(np.log(sizes))
                    lengths.append(stride)
                if fixed is None:
                    between = _adjusted(between, stride, sizes)
                bar.update(stride)
    except KeyboardInterrupt:
        complete = False
        if not logs:
            raise
    return _result(np.array(logs), np.array(lengths), motion, between, complete, S)


def _adjusted(between: int, stride: int, sizes: np.ndarray) -> int:
    """More steps while the directions stay comparable in length, fewer before rounding covers the shortest."""
    ratio = float(sizes.min() / sizes.max()) if sizes.max() > 0 else 0.0
    if ratio < SPREAD and stride == between:
        return max(1, between // 2)
    if ratio > SPREAD**0.4 and stride == between:
        return min(2 * between, MOST_STEPS_A_QR)
    return between


def _result(
    logs: np.ndarray, lengths: np.ndarray, motion: Motion, every: int, complete: bool, S: np.ndarray
) -> Lyapunov:
    rule = motion.rule
    # of a flow the unit is time; a tick of a Sampled model is several substeps
    times = rule.dt * np.cumsum(lengths)
    sums = np.cumsum(logs, axis=0)
    with np.errstate(invalid="ignore"):
        exponents = sums[-1] / times[-1]
        order = np.argsort(-exponents, kind="stable")
        cuts = np.unique(np.searchsorted(times, np.linspace(0, times[-1], BATCHES + 1)[1:]).clip(0, len(times) - 1))
        ends = np.concatenate([[0.0], times[cuts]])
        parts = np.diff(np.concatenate([np.zeros((1, logs.shape[1])), sums[cuts]]), axis=0) / np.diff(ends)[:, None]
        enough = len(parts) > 2
        errors = parts.std(axis=0, ddof=1) / np.sqrt(len(parts)) if enough else np.full(logs.shape[1], np.nan)
    shown = np.unique(np.linspace(0, len(times) - 1, KEPT).round().astype(int))
    history = sums[shown] / times[shown, None]
    unit = motion.ticks * rule.dt if motion.discrete else rule.dt
    return Lyapunov(
        exponents[order],
        errors[order],
        times[shown],
        history[:, order],
        unit,
        int(lengths.sum()) // motion.ticks,
        every,
        motion.discrete,
        S,
        complete,
    )


@dataclass(frozen=True, eq=False)
class Motion:
    """What is stepped: a map, where it starts, what drives each step; ``ticks``: steps a tick.

    ``usual``: how many exponents where none are asked for; ``given``: inputs that x gave, one a tick.
    """

    rule: TangentSteps
    start: np.ndarray
    drives: np.ndarray
    discrete: bool
    usual: int
    ticks: int = 1
    given: int = 0


def _motion(subject: Subject, ticks: int, x: Any, s0: Any, dt: float | None, seed: int) -> Motion:
    if not subject.discrete:
        return _flow_motion(as_flow("system", subject), x, s0, dt, seed)
    if dt is not None:
        raise ValueError(f"dt: expected none, since a map has a step of its own, got {dt!r}")
    flat = Flat(subject)
    rule, start = MapSteps(flat), _start(flat, s0, seed)
    inputs = None if x is None else to_numpy(check_array("x", x))
    if inputs is None or inputs.ndim == 1:
        return Motion(rule, start, flat.constant(inputs)[None], True, flat.size, ticks)
    if inputs.ndim != 2 or inputs.shape[1] != flat.input_width or not flat.input_width:
        raise ValueError(f"x: expected shape (N, {flat.input_width}) or ({flat.input_width},), got {inputs.shape}")
    # a tick of several steps holds its input
    driven = flat.drive(np.repeat(inputs, ticks, axis=0))
    return Motion(rule, start, driven, True, flat.size, ticks, len(inputs))


def _flow_motion(flow: Flow, x: Any, s0: Any, dt: float | None, seed: int) -> Motion:
    settled = at_rest(flow)  # refuses a rate that depends on time
    u = settled.constant(x)
    if flow.delays:
        past = _past(flow, s0, seed)
        delay = resolved_steps(flow, past, u, 20 * max(flow.delays))
        return Motion(delay, past(delay), u[None], False, min(delay.size, 3))
    start = _start(settled, s0, seed)
    step = pilot_step(settled, start, u, 50.0) if dt is None else check_positive("dt", dt)
    return Motion(FlowSteps(settled, step), start, u[None], False, settled.size)


def _start(flat: Flat, s0: Any, seed: int) -> np.ndarray:
    if s0 is None:
        return _drawn(flat, seed)
    return check_shape("s0", flat.start(np.atleast_1d(to_numpy(check_array("s0", s0)))), (flat.size,))


def _drawn(flat: Flat, seed: int) -> np.ndarray:
    """A random state near 0; of positive numbers where the rate or map is one of positive states alone."""
    start = 0.1 * np.random.default_rng(seed).standard_normal(flat.size)
    return start if np.isfinite(flat.residual(start, flat.constant(None))).all() else np.abs(start)


def _past(flow: Flow, s0: Any, seed: int) -> Any:
    """The function that takes the steps of a delay equation to the values at the nodes of its past."""
    if s0 is None:
        s0 = _drawn(at_rest(flow), seed)
    value = None if callable(s0) else np.atleast_1d(to_numpy(check_array("s0", s0)))
    unseen = np.zeros(flow.feedback_width)  # beside s, before the start

    def at_nodes(steps: DelaySteps) -> np.ndarray:
        if value is not None and value.shape == (steps.size,):
            return value
        if value is not None:
            row = np.concatenate([check_shape("s0", value, (flow.width,)), unseen])
            return np.tile(row, steps.size // steps.both)
        rows = [check_shape("s0", to_numpy(s0(t)).reshape(-1), (flow.width,)) for t in steps.times()]
        return np.array([np.concatenate([row, unseen]) for row in rows]).ravel()

    return at_nodes


def _lengths(motion: Motion, steps: Any, T: Any, transient: Any) -> tuple[int, int]:
    """Steps of the rule: those that count, and those before them."""
    rule = motion.rule
    if steps is not None and T is not None:
        raise ValueError("T: expected either steps or T, got both")
    if not motion.discrete:
        if steps is not None:
            raise ValueError("steps: expected T, the time, for a flow, got a number of steps")
        length = 1000.0 if T is None else check_positive("T", T)
        warm = 0.1 * length if transient is None else check_nonnegative("transient", transient)
        return max(1, round(length / rule.dt)), round(warm / rule.dt)
    tick = motion.ticks * rule.dt
    if motion.given:
        before = 0 if transient is None else check_count("transient", transient, 0)
        most = motion.given - before
        total = (
            most if steps is None and T is None else round(T / tick) if steps is None else check_count("steps", steps)
        )
        if not 1 <= total <= most:
            raise ValueError(f"steps: expected at most the {motion.given} inputs less the transient, got {total}")
        return total * motion.ticks, before * motion.ticks
    total = 10_000 if steps is None else check_count("steps", steps)
    if T is not None:
        total = max(1, round(check_positive("T", T) / tick))
    before = total // 10 if transient is None else check_count("transient", transient, 0)
    return total * motion.ticks, before * motion.ticks
