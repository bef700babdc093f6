"""Backward Euler with a fixed step, on the differential equation itself.

Uses: D1.  With tau = dt it is the canonical RNN, which is what `Sampled` shows.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, as_like, stack, to_numpy
from ode2rnn.core.newton import solve_readout
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.solvers.problem import AdditiveSegment, Problem, step_ends
from ode2rnn.solvers.solution import Solution, StepError
from ode2rnn.solvers.spectral.implicit import implicit_step

THETA = np.array([0.0, 1.0])
# beyond this the inverse of I - h A holds no correct digit
WORST_CONDITION = 1e14


def solve(problem: Problem, solution: Solution) -> None:
    """Solve (s[n] - s[n-1]) / dt = A s[n] + B G(s[n]) + forcing(t[n]) for each step.

    Raises:
        ValueError: a singular I - dt A, before the first step.
    """
    if not problem.is_additive:
        _solve_flow(problem, solution)
        return
    s = problem.s0
    assert problem.dt is not None
    try:
        _resolvent(problem, problem.dt)
    except StepError as error:
        raise ValueError(f"dt: {error}") from None
    for a, b in problem.segments():
        segment = AdditiveSegment(problem, solution, a, b)
        ends = step_ends(a, b, problem.dt)
        h = problem.dt if abs(len(ends) * problem.dt - (b - a)) <= 1e-9 * problem.dt else (b - a) / len(ends)
        W = _resolvent(problem, h)
        for end in ends:
            new = (s + h * segment.forcing(np.array([end]))[0]) @ W.T
            if segment.feedback is not None:
                try:
                    new = solve_readout(new, h * (W @ segment.feedback.dense()), problem.additive.activation, guess=s)
                except SimulationError as error:
                    raise StepError(f"at t = {end:.6g}: {error}") from None
            solution.append(end, stack([s, new]))
            s = new


def _solve_flow(problem: Problem, solution: Solution) -> None:
    """(s[n] - s[n-1]) / dt = f(t[n], s[n], ...) by Newton's method."""
    s, dt = problem.s0, problem.dt
    assert dt is not None
    for a, b in problem.segments():
        segment = problem.segment(solution, a, b)
        start = a
        for end in step_ends(a, b, dt).tolist():
            known = segment.forcing(np.array([end]))
            new = implicit_step(segment, known[0], s, end - start, end)
            solution.append(end, stack([s, new]))
            s, start = new, end


def _resolvent(problem: Problem, h: float) -> Array:
    """(I - h A)^-1."""
    term = problem.additive.undelayed("state")
    eye = as_like(np.eye(problem.model.width), problem.s0)
    if term is None:
        return eye
    matrix = eye - h * term.dense()
    if not np.linalg.cond(to_numpy(matrix)) < WORST_CONDITION:
        raise StepError(f"I - dt A is singular at dt = {h:g}: 1 / dt is an eigenvalue of A; try a smaller dt")
    if isinstance(matrix, np.ndarray):
        return np.linalg.inv(matrix)
    return matrix.inverse()
