"""An ensemble whose members have parameters of their own: one model each.

Ordinary equations of few states that differ in their matrices and biases alone are solved in blocks, each with its own
matrices and step. All others, and delay equations, are solved one after the other: the matrices of one large model
stay in the cache while all its steps are taken. Both ways are spread over the cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import Array, brief, broadcast_to, check_array, is_torch, stack
from ode2rnn.core.signals.data import is_data
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.trajectory import SimulationError, Stats, Trajectory
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.solvers.arguments import build_problem, check_flow
from ode2rnn.solvers.ensemble.cores import over_cores
from ode2rnn.solvers.ensemble.weights import alike
from ode2rnn.solvers.problem import Problem

ALONE = 5e-3  # seconds, at least, of one model in plain code
COMPILED = ("auto", "spectral", "taylor", "tsit5")


@dataclass(frozen=True, eq=False)
class _Members:
    """Their dense outputs side by side."""

    trajectories: tuple[Trajectory, ...]

    def __call__(self, t: np.ndarray) -> Array:
        return stack([trajectory(t) for trajectory in self.trajectories], axis=1)


def integrate_each(
    solve: Callable[..., Trajectory],
    together: Callable[[Problem, str], Trajectory | None],
    models: Sequence[Any],
    history: Any,
    s0: Any,
    arguments: dict[str, Any],
) -> Trajectory:
    """The solutions of models of one width at the samples t, in a Trajectory (T, P, ..., d).

    ``solve`` takes one model, ``together`` a problem with members; it may decline.
    ``history`` and ``s0`` serve every model, or have a first axis of length P, one entry for each model.

    Raises:
        ValueError: models that do not fit together, no array of samples.
        SimulationError: one of them diverges; the trajectory is the part up to there, of all.
    """
    t = arguments["t"]
    for n, model in enumerate(models):
        check_flow(f"model[{n}]", model)
    if not models or len({model.width for model in models}) > 1:
        raise ValueError(f"model: expected a list of models of one width, got {brief(models)}")
    if isinstance(t, tuple):
        raise ValueError("t: expected an array of samples with a list of models, whose own nodes differ")
    problem = _joint(models, history, s0, arguments)
    solved = None if problem is None else together(problem, arguments["method"])
    if solved is not None:
        return solved

    def alone(n: int, t: Any = t) -> Trajectory | SimulationError:
        own = (value[n] if _by_member(value, len(models)) else value for value in (history, s0))
        try:
            return solve(models[n], history=next(own), s0=next(own), **{**arguments, "t": t})
        except SimulationError as error:
            if error.trajectory is None:
                raise
            return error

    done, failure, kept = [], None, 0
    outcomes = iter(_over_cores(alone, models, arguments))
    for n in range(len(models)):
        # after a failure the others are wanted up to there alone
        outcome = next(outcomes) if failure is None else alone(n, np.asarray(t, dtype=float)[: max(kept, 2)])
        if isinstance(outcome, Trajectory):
            done.append(outcome)
            continue
        assert outcome.trajectory is not None
        failure, kept = f"model {n}: {outcome}", len(outcome.trajectory.t)
        done = [_cut(trajectory, kept) for trajectory in done] + [outcome.trajectory]
        if kept < 2:
            break
    joined = _join(tuple(done))
    if failure:
        raise SimulationError(failure, joined.failed(failure))
    return joined


def _joint(models: Sequence[Any], history: Any, s0: Any, arguments: dict[str, Any]) -> Problem | None:
    """One problem with all models as its members; None where they are too unlike for blocks."""
    count, kernel = len(models), "rk4_blocks" if arguments["dt"] is not None else "tsit5_blocks"
    if arguments["adjoint"] or arguments["progress"] or not alike(models) or not kernels.pays(kernel, ALONE * count):
        return None
    own = (value[0] if _by_member(value, count) else value for value in (history, s0))
    names = ("rtol", "atol", "dt")
    first = build_problem(
        models[0], arguments["x"], arguments["t"], next(own), next(own), *(arguments[name] for name in names)
    )
    name, start = ("history", history) if s0 is None else ("s0", s0)
    states = check_array(name, start) if _by_member(start, count) else first.s0[None]
    if is_torch(first.s0) or is_torch(states) or states.shape[-1] != models[0].width:
        return None
    missing = (1,) * (first.s0.ndim + 1 - states.ndim)
    states = states.reshape((states.shape[0], *missing, *states.shape[1:]))
    states = np.ascontiguousarray(broadcast_to(states, (count, *first.s0.shape)))
    return replace(first, s0=states, members=tuple(models), facts={})


def _over_cores(alone: Callable[[int], Any], models: Sequence[Any], arguments: dict[str, Any]) -> Iterable[Any]:
    """What comes of each model alone; on several cores where the work is done by kernels, else one by one."""
    x = arguments["x"]
    compiled = x is None or (isinstance(x, Signal) and is_data(x))
    for model in models:
        arrays = isinstance(model, AdditiveModel) and not is_torch(model.phi)
        compiled = compiled and arrays and activation_code(model.activation) is not None
    if not compiled or arguments["progress"] or len(models) < 2 or arguments["method"] not in COMPILED:
        return (alone(n) for n in range(len(models)))
    if not kernels.pays("solve_panels" if models[0].delays else "taylor_steps", ALONE * len(models)):
        return (alone(n) for n in range(len(models)))
    return over_cores([partial(alone, n) for n in range(len(models))])


def _by_member(value: Any, count: int) -> bool:
    shape = getattr(value, "shape", None) if not isinstance(value, list | tuple) else np.shape(value)
    return shape is not None and len(shape) >= 2 and shape[0] == count


def _cut(trajectory: Trajectory, kept: int) -> Trajectory:
    x = None if trajectory.x is None else trajectory.x[:kept]
    return replace(trajectory, t=trajectory.t[:kept], s=trajectory.s[:kept], r=trajectory.r[:kept], x=x)


def _join(done: tuple[Trajectory, ...]) -> Trajectory:
    first, stats = done[0], [trajectory.stats for trajectory in done]
    names = ("evaluations", "steps", "rejected", "breaking_points")
    return Trajectory(
        first.t,
        stack([trajectory.s for trajectory in done], axis=1),
        stack([trajectory.r for trajectory in done], axis=1),
        None if first.x is None else stack([trajectory.x for trajectory in done], axis=1),
        Stats(stats[0].method, *(max(int(s[name]) for s in stats) for name in names)),
        dense=_Members(done),
        span=(first.start, min(trajectory.end for trajectory in done)),
    )
