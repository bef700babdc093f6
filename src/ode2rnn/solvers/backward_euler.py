"""Backward Euler with a fixed step, on the differential equation itself.

Uses: D1.  With tau = dt it is the canonical RNN, which is what `Sampled` shows.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, as_like, is_torch, stack, to_numpy
from ode2rnn.solvers.problem import Problem, Segment, Solution, StepFailure

THETA = np.array([0.0, 1.0])
MOST_ITERATIONS = 50


def solve(problem: Problem, solution: Solution) -> None:
    """Solve (s[n] - s[n-1]) / dt = A s[n] + B G(s[n]) + forcing(t[n]) for each step."""
    s = problem.s0
    assert problem.dt is not None
    for a, b in problem.segments():
        segment = Segment(problem, solution, a, b)
        steps = max(1, int(np.ceil((b - a) / problem.dt - 1e-9)))
        h = problem.dt if abs(steps * problem.dt - (b - a)) <= 1e-9 * problem.dt else (b - a) / steps
        for n in range(1, steps + 1):
            end = b if n == steps else a + n * h
            with np.errstate(all="ignore"):
                known = s + h * segment.forcing(np.array([end]))[0]
                new = implicit_step(segment, h, known, guess=s)
            if not all_finite(new):
                raise StepFailure(
                    f"the state overflowed at t = {end:.6g}: the solution diverges; try a smaller dt"
                )
            solution.append(end, stack([s, new]))
            s = new


def implicit_step(segment: Segment, h: float, known: Array, guess: Array) -> Array:
    """The root s of s - h (A s + B G(s)) = known, by Newton's method; gradients come with the last iteration."""
    if segment.feedback is None:
        if segment.linear is None:
            return known
        A = segment.linear.dense()
        return _solve(as_like(np.eye(A.shape[0]), A) - h * A, known)
    s = guess.detach() if is_torch(guess) else guess
    for _ in range(MOST_ITERATIONS):
        change = _newton_change(segment, h, known.detach() if is_torch(known) else known, s)
        s = s + (change.detach() if is_torch(change) else change)
        size, moved = np.abs(to_numpy(s)).max(), np.abs(to_numpy(change)).max()
        if moved <= 1e-13 * (1.0 + size):
            return s + _newton_change(segment, h, known, s) if is_torch(s) else s
    raise StepFailure("Newton's method did not converge in a backward-Euler step; try a smaller dt")


def _newton_change(segment: Segment, h: float, known: Array, s: Array) -> Array:
    residual = known - s + h * segment.rate(0.0 * s, s)
    eye = np.eye(s.shape[-1])
    return _solve(as_like(eye - h * segment.jacobian(to_numpy(s)), s), residual)


def _solve(matrix: Array, values: Array) -> Array:
    if is_torch(values):
        import torch

        return torch.linalg.solve(matrix, values[..., None])[..., 0]
    return np.linalg.solve(matrix, values[..., None])[..., 0]
