"""Dense output of a Taylor method: on every step the Taylor polynomial itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ode2rnn import kernels
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.sampled_dense import SampledSteps
from ode2rnn.solvers.solution import HUGE, Solution, check_step

NODES = 4  # nodes a step hands out
NONE = np.zeros(0)
FAR = 1e300  # a sum of squares; numbers whose squares add up to less are far from the largest


@dataclass(eq=False)
class Polynomials:
    """Polynomials sum_k c[k] theta^k on consecutive steps, theta from 0 to 1 on each.

    Attributes:
        breaks: ends of the steps, (P + 1,).
        coefficients: (P, K, width), width >= d; columns from d on are empty.
        d: number of states.
    """

    breaks: np.ndarray
    coefficients: np.ndarray
    d: int

    @property
    def end(self) -> float:
        """The time reached."""
        return self.breaks.item(-1)

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.breaks) - 1

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times ``t`` (T,), as (T, d); the outer polynomials serve past the ends."""
        if kernels.pays("taylor_values", 1e-7 * self.coefficients.size):
            values = np.empty((len(t), self.d))
            kernels.taylor_values(self.breaks, self.coefficients, np.ascontiguousarray(t), values)
            return values
        return self._plain(t)

    def _plain(self, t: np.ndarray) -> np.ndarray:
        step = np.clip(np.searchsorted(self.breaks, t, side="right") - 1, 0, len(self.breaks) - 2)
        left, right = self.breaks[step], self.breaks[step + 1]
        theta = ((t - left) / (right - left))[:, None]
        values = self.coefficients[step, -1, : self.d]
        for k in range(self.coefficients.shape[1] - 2, -1, -1):
            values = values * theta + self.coefficients[step, k, : self.d]
        return values

    def nodes(self) -> np.ndarray:
        """Times to keep where none were asked for: the ends of the steps, and three between each two."""
        left, right = self.breaks[:-1, None], self.breaks[1:, None]
        inner = left + (right - left) * (np.arange(NODES) / NODES)
        return np.append(inner.ravel(), self.breaks[-1])


Steps = Polynomials | SampledSteps


@dataclass(frozen=True, eq=False)
class Bundle:
    """The dense outputs of a batch whose trajectories took steps of their own.

    Attributes:
        members: one for each trajectory of the flattened batch.
        batch: shape of the batch.
    """

    members: tuple[Steps, ...]
    batch: tuple[int, ...]

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times ``t`` (T,), as (T, ..., d)."""
        values = np.stack([member(t) for member in self.members], axis=1)
        return values.reshape((len(t), *self.batch, values.shape[-1]))

    def nodes(self) -> np.ndarray:
        """The nodes of the trajectory that took the most steps."""
        return max((m for m in self.members if isinstance(m, Polynomials)), key=lambda m: m.steps).nodes()


def adopt(problem: Problem, solution: Solution, members: list[Steps], batch: tuple[int, ...]) -> None:
    """Make the trajectories of a batch the solution, up to where the first of them stopped.

    Raises:
        StepError: one of them stopped before the end.
    """
    members = [_before_overflow(member) for member in members]
    whole: Steps | Bundle = members[0]
    end, steps = members[0].end, members[0].steps
    if batch:
        whole = Bundle(tuple(members), batch)
        end, steps = min(member.end for member in members), max(member.steps for member in members)
    if end > problem.span[0]:
        solution.adopt(whole, end, steps)
    if end < problem.span[1]:
        check_step((end, end), end, 0.0, whole(np.array([end])) if end > problem.span[0] else problem.s0)


def _before_overflow(member: Steps) -> Steps:
    """The steps before the one whose end nears the largest number, where rounding could hold the state."""
    if not isinstance(member, Polynomials):
        return member  # known to be far from it
    last = member.coefficients[-1] if len(member.coefficients) else NONE
    if np.vdot(last, last) < FAR:
        return member
    largest = HUGE * np.finfo(float).max
    if np.abs(member.coefficients[-1:].sum(axis=1)).max() < largest:
        return member
    near = np.abs(member.coefficients[1:, 0]).max(axis=1) >= largest
    steps = int(near.argmax()) if near.any() else len(near)
    return Polynomials(member.breaks[: steps + 1], member.coefficients[:steps], member.d)
