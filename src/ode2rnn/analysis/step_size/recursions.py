"""The recursions of a step-size study, 64 steps at a time where the scheme and the model allow it.

Uses: D9, D10.  The plain path builds and runs a recursion for each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from ode2rnn.analysis.step_size.recursion import Recursion, build_recursion, sample
from ode2rnn.analysis.step_size.shared_basis import Job, Kept, run_together
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.core.signals import Constant
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.schemes import rule_name
from ode2rnn.solvers.problem import Problem

MOST_VALUES = 1 << 24  # states and inputs that a block keeps at a time
TOGETHER = 64


@dataclass(frozen=True, eq=False)
class Runs:
    """The states s[-1 .. N-1] of every step at which the recursion does not diverge, many together where they fit."""

    model: AdditiveModel
    problem: Problem
    models: list[AdditiveModel]
    steps: np.ndarray
    counts: np.ndarray
    rule: tuple[str, float | None]
    tied: bool

    def __post_init__(self) -> None:
        # everything that can be wrong with a scheme is found here, at the first step and, run alone, at all of them
        self._alone(0)

    def _alone(self, k: int) -> Recursion:
        problem = replace(self.problem, model=self.models[k])
        return build_recursion(problem, self.steps[k], int(self.counts[k]), *self.rule)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        done = np.zeros(len(self.steps), dtype=bool)
        runs = _together(self.model, self.problem, self.steps, self.counts, self.rule, self.tied, done)
        for k, states in runs:
            if np.isfinite(states[-1]).all():
                yield k, states
        for n in np.flatnonzero(~done).tolist():
            with suppress(SimulationError):
                yield n, self._alone(n).solve()


def _together(
    model: AdditiveModel,
    problem: Problem,
    steps: np.ndarray,
    counts: np.ndarray,
    rule: tuple[str, float | None],
    tied: bool,
    done: np.ndarray,
) -> Iterator[tuple[int, np.ndarray]]:
    """The states s[-1 .. N-1] (N + 1, d) of the steps that can run together; ``done`` (K,) is told which those are.

    Where a run diverges its states end there or are not finite.
    """
    job = _job(model, problem, steps, rule, tied)
    if job is None:
        return
    K, d = len(steps), model.width
    ends = np.zeros((3, TOGETHER, d))  # the last states and the bounds, which nobody asks for
    order = np.argsort(-counts, kind="stable")
    for first in range(0, K, TOGETHER):
        block = order[first : first + TOGETHER]
        if counts[block[0]] * TOGETHER * (d + model.input_width) > MOST_VALUES:
            continue
        states: list[np.ndarray] = [np.zeros((0, d))] * len(block)
        ran = run_together(
            job,
            steps[block],
            counts[block],
            Kept(ends[0][: len(block)], ends[1][: len(block)], ends[2][: len(block)], states),
        )
        done[block] = ran
        for k, run, fits in zip(block, states, ran, strict=True):
            if fits:
                whole = len(run) == counts[k]
                yield int(k), np.concatenate([job.start[None], run, np.full((0 if whole else 1, d), np.nan)])


def _job(
    model: AdditiveModel, problem: Problem, steps: np.ndarray, rule: tuple[str, float | None], tied: bool
) -> Job | None:
    """What runs together; None for a batch, or a past that is not constant."""
    x, past, start = problem.x, problem.history, problem.s0
    if is_torch(start) or start.ndim > 1 or not isinstance(past, Constant) or past.value.ndim > 1:
        return None
    before = np.zeros(model.input_width)
    if x is not None:
        before = sample(x, np.array([problem.span[0]]), float(steps[-1]))[0]
        if before.ndim > 1:
            return None
    older = np.broadcast_to(to_numpy(past.value), start.shape)
    kept = (older, before)
    return Job(model, x, None, start, problem.span[0], rule_name(*rule), tied, "states", 0.0, kept)
