"""An ensemble whose members have parameters of their own: one model each, solved one after the other.

Matrices that differ share no product, and those of one member stay in the cache while all its steps are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, brief, stack
from ode2rnn.core.trajectory import SimulationError, Stats, Trajectory


@dataclass(frozen=True, eq=False)
class _Members:
    """Their dense outputs side by side."""

    trajectories: tuple[Trajectory, ...]

    def __call__(self, t: np.ndarray) -> Array:
        return stack([trajectory(t) for trajectory in self.trajectories], axis=1)


def integrate_each(
    solve: Callable[..., Trajectory], models: Sequence[Any], history: Any, s0: Any, arguments: dict[str, Any]
) -> Trajectory:
    """The solutions of models of one width at the samples t, in a Trajectory (T, P, ..., d).

    ``history`` and ``s0`` serve every model, or have a first axis of length P, one entry for each model.

    Raises:
        ValueError: models that do not fit together, no array of samples.
        SimulationError: one of them diverges; the trajectory is the part up to there, of all.
    """
    t = arguments["t"]
    if not models or len({getattr(model, "width", None) for model in models}) > 1:
        raise ValueError(f"model: expected a list of models of one width, got {brief(models)}")
    if isinstance(t, tuple):
        raise ValueError("t: expected an array of samples with a list of models, whose own nodes differ")
    done, failure = [], None
    for n, model in enumerate(models):
        own = (value[n] if _by_member(value, len(models)) else value for value in (history, s0))
        try:
            done.append(solve(model, history=next(own), s0=next(own), **arguments))
        except SimulationError as error:
            if error.trajectory is None:
                raise
            failure, kept = f"model {n}: {error}", len(error.trajectory.t)
            arguments = {**arguments, "t": np.asarray(t, dtype=float)[: max(kept, 2)]}
            done = [_cut(trajectory, kept) for trajectory in done] + [error.trajectory]
            if kept < 2:
                break
    joined = _join(tuple(done))
    if failure:
        raise SimulationError(failure, joined.failed(failure))
    return joined


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
