"""scipy's LSODA for one trajectory of an ordinary equation: Adams, or BDF where the equation turns out to be stiff.

The whole run is one call of `scipy.integrate.odeint`, which returns to Python for the right-hand side alone. Without
samples its states are kept on a fine grid, by a second call where many steps lie between the times of the first. Many
times between are first had from one more such call; after it, and for a few times, the dense output is computed step by
step, and kept. So is the valid part of a run that fails. All begin with one first step, and so take the same steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ode2rnn.core.arrays import is_torch
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.sampled_dense import SampledSteps
from ode2rnn.solvers.solution import HUGE, Solution, StepError

MOST_STEPS = 20_000  # between two times; a run that needs more is taken step by step
LEAST, PARTS = 8, 512  # parts of a stretch between breaking points, and of the whole range
MOST_IN_PART, MOST_UNSEEN = 8, 64  # steps in a part, and beyond it in all parts: a run starts with many short ones
MANY = 8  # times at once for which the run is taken again
SMALLEST_RTOL = 100 * float(np.finfo(float).eps)

Rate = Callable[[float, np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class Steps:
    """The dense output of a run: the polynomial of every step, between ``breaks`` (P + 1,), and the states there."""

    breaks: np.ndarray
    states: np.ndarray
    polynomials: tuple[Callable[[np.ndarray], np.ndarray], ...]

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """s at the times ``t`` (T,), as (T, d); at the ends of steps the states there."""
        at = np.minimum(np.searchsorted(self.breaks, t), len(self.breaks) - 1)
        values = self.states[at]
        inner = np.flatnonzero(self.breaks[at] != t)
        if len(inner):
            inner = inner[np.argsort(at[inner], kind="stable")]
            steps, first = np.unique(at[inner], return_index=True)
            for step, own in zip(steps.tolist(), np.split(inner, first[1:]), strict=True):
                values[own] = self.polynomials[max(step - 1, 0)](t[own]).T
        return values

    def nodes(self) -> np.ndarray:
        """The ends of the steps."""
        return self.breaks


@dataclass(eq=False)
class LsodaSteps(SampledSteps):
    """The states of a run at some times, and elsewhere what is computed when it is first asked for.

    ``run_again`` gives the states at other increasing times (T,), None where it cannot; it is called once at most, and
    its times are kept too, so that a time has one state whenever it is asked for.
    """

    run_again: Callable[[np.ndarray], np.ndarray | None] | None = None

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """s at the times ``t`` (T,), as (T, d)."""
        run_again = self.run_again if self._elsewhere is None and len(t) >= MANY else None
        if run_again is not None and not np.isin(t, self.samples).all():
            self.run_again = None
            times = np.union1d(self.samples, t)
            states = run_again(times)
            if states is not None:
                self.samples, self.states = times, states
        return super().__call__(t)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "run_again": None}

    def nodes(self) -> np.ndarray:
        """Those times."""
        return self.samples


def fits(problem: Problem) -> bool:
    """Whether the problem is one trajectory in NumPy of a flow without delays and without feedback beside s."""
    if problem.is_additive or is_torch(problem.s0):
        return False
    return not (problem.model.delays or problem.model.feedback_width or problem.s0.ndim > 1)


def solve(problem: Problem, solution: Solution) -> None:
    """Solve from t0 to t1; the dense output of ``solution`` becomes the polynomials of LSODA.

    Raises:
        StepError: the solution diverges; the steps up to there stay in ``solution``.
    """
    # odeint keeps no polynomials: it is asked at the samples, or on a grid, refined where it took many steps unseen
    times = _grid(problem) if problem.samples is None else problem.samples
    found = _states_at(problem, solution, times)
    if found is not None and problem.samples is None and (found[1] - MOST_IN_PART).clip(min=0).sum() > MOST_UNSEEN:
        times = _refined(times, found[1])
        found = _states_at(problem, solution, times)
    if found is None:
        _by_steps(problem, solution)
        return

    # a time between them is answered by running again: step by step for dense output, or at the asked times
    def resolve() -> Any:
        whole = Solution(problem.span[0], solution.theta)
        with np.errstate(all="ignore"):
            _by_steps(problem, whole)
        return whole.whole

    states, steps = found[0], int(found[1].sum())

    def run_again(asked: np.ndarray) -> np.ndarray | None:
        again = _states_at(problem, Solution(problem.span[0], solution.theta), asked)
        return None if again is None else again[0]

    end = problem.span[1]
    solution.adopt(LsodaSteps(times, states, resolve, end=end, steps=steps, run_again=run_again), end, steps)


def _grid(problem: Problem) -> np.ndarray:
    """Equal parts of every stretch between breaking points."""
    edges = np.concatenate([problem.span[:1], problem.points, problem.span[1:]])
    shares = np.arange(max(LEAST, PARTS // (len(edges) - 1)))
    inner = edges[:-1, None] + np.diff(edges)[:, None] * (shares / len(shares))
    return np.append(inner.ravel(), edges[-1])


def _refined(grid: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The grid with a time for every step where there are many in a part."""
    counts = np.where(steps > MOST_IN_PART, steps, 1)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.append(np.repeat(grid[:-1], counts) + place * np.repeat(np.diff(grid) / counts, counts), grid[-1])


def _rate(problem: Problem, a: float, b: float) -> Rate:
    f = problem.model.direct()
    if not problem.model.input_width:
        return f
    if problem.x is None:
        zero = np.zeros(problem.model.input_width)
        return lambda t, s: f(t, s, zero)
    x = problem.x.piece_at_one_time(a, b)
    return lambda t, s: f(t, s, x(min(max(t, a), b)))  # rounding takes no function out of its range


def _first_step(problem: Problem, rate: Rate, a: float, b: float, s: np.ndarray) -> float:
    """LSODA's own first step from a, as if the first time asked for were b; 0 where the rate is not finite."""
    tolerance = min(max(problem.rtol, SMALLEST_RTOL), 1e-3)
    slope = np.asarray(rate(a, s), dtype=float) / (max(problem.rtol, SMALLEST_RTOL) * np.abs(s) + problem.atol)
    # 1 / h^2 = 1 / (tol w^2) + tol |f|^2 with the largest time w, and |f| in tolerances, root mean square
    size = 1 / (tolerance * max(abs(a), b - a) ** 2) + tolerance * float(np.mean(slope**2))
    return min(size**-0.5, b - a) if np.isfinite(size) else 0.0


def _states_at(problem: Problem, solution: Solution, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The states at increasing times (T,) from t0 to t1, and how many steps lie between; None where a run fails."""
    from scipy.integrate import odeint

    s = np.array(problem.s0)
    states, steps, kept = np.empty((len(times), len(s))), np.zeros(len(times) - 1, dtype=int), 1
    states[0] = s
    options = {"rtol": max(problem.rtol, SMALLEST_RTOL), "atol": problem.atol, "mxstep": MOST_STEPS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failure is told by what follows it
        for a, b in problem.segments():
            inside = times[kept : int(times.searchsorted(b, side="right"))]
            last = len(inside) > 0 and inside[-1] == b
            asked = np.concatenate([[a], inside] if last else [[a], inside, [b]])
            rate = _rate(problem, a, b)
            h0 = _first_step(problem, rate, a, b, s)
            found, told = odeint(rate, s, asked, tfirst=True, tcrit=[b], full_output=True, h0=h0, **options)
            if told["message"] != "Integration successful." or not np.isfinite(found).all():
                return None
            states[kept : kept + len(inside)] = found[1 : len(inside) + 1]
            steps[kept - 1 : kept - 1 + len(inside)] = np.diff(told["nst"], prepend=0)[: len(inside)]
            s, kept = found[-1], kept + len(inside)
            solution.evaluations += int(told["nfe"][-1])
            solution.on_step(b)
    return states, steps


def _by_steps(problem: Problem, solution: Solution) -> None:
    breaks, states, polynomials = [problem.span[0]], [np.array(problem.s0)], []
    stopped = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for a, b in problem.segments():
            rate = _rate(problem, a, b)
            options = {"rtol": max(problem.rtol, SMALLEST_RTOL), "atol": problem.atol}
            h0 = _first_step(problem, rate, a, b, states[-1])
            solver = _solver()(rate, a, states[-1], b, first_step=h0 or None, **options)
            while solver.status == "running" and not stopped:
                last, message = solver.t, solver.step()
                # where no step is small enough it goes on with steps that do not move the time
                if solver.status == "failed" or solver.t <= last:
                    stopped = message or "no step is small enough"
                    break
                polynomials.append(solver.dense_output())
                breaks.append(solver.t)
                states.append(solver.y)
                solution.on_step(solver.t)
            solution.evaluations += solver.nfev
            if stopped:
                break
    found = np.array(states)
    fine = (np.abs(found) < HUGE * np.finfo(float).max).all(axis=1)
    good = len(fine) if fine.all() else int(np.argmin(fine))
    if good > 1:
        steps = Steps(np.array(breaks[:good]), found[:good], tuple(polynomials[: good - 1]))
        solution.adopt(steps, breaks[good - 1], good - 1)
    if stopped or good < len(fine):
        raise StepError(
            f"scipy's LSODA stopped after t = {breaks[good - 1]:.6g}: {stopped or 'the state overflows'}; the solution"
            " diverges there, or the right-hand side is not finite"
        )


@cache
def _solver() -> Any:
    from scipy.integrate import LSODA

    return LSODA
