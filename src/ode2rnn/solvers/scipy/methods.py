"""scipy's ODE solvers under their own names, from breaking point to breaking point."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ode2rnn.solvers.problem import Problem, Segment
from ode2rnn.solvers.scipy import lsoda
from ode2rnn.solvers.solution import Solution, StepError

# enough nodes for the interpolant of highest degree (LSODA's, 12)
THETA = 0.5 - 0.5 * np.cos(np.pi * np.arange(13) / 12)
IMPLICIT = ("Radau", "BDF")


def solve(problem: Problem, solution: Solution, method: str) -> None:
    """Run ``method`` on every segment; for delay equations no segment is longer than the shortest delay."""
    if method == "LSODA" and lsoda.fits(problem):
        lsoda.solve(problem, solution)
        return
    s = problem.s0
    for a, b in problem.segments(longest=problem.shortest_delay):
        with warnings.catch_warnings():  # LSODA warns where the others report; a failure is told below
            warnings.simplefilter("ignore")
            s = _solve_segment(problem, solution, problem.segment(solution, a, b), s, method)


def _solve_segment(problem: Problem, solution: Solution, segment: Segment, s: np.ndarray, method: str) -> np.ndarray:
    import scipy.integrate

    shape = s.shape

    def rate(t: float, flat: np.ndarray) -> np.ndarray:
        return segment.rate_at(t, flat.reshape(shape)).reshape(-1)

    options: dict[str, Any] = {"rtol": max(problem.rtol, 100 * np.finfo(float).eps), "atol": problem.atol}
    jacobian_at = getattr(segment, "jacobian_at", None)  # without one scipy takes differences
    if jacobian_at is not None and method in IMPLICIT:
        options["jac"] = lambda t, flat: _block_diagonal(jacobian_at(t, flat.reshape(shape)))
    elif jacobian_at is not None and method == "LSODA" and s.ndim == 1:
        options["jac"] = jacobian_at
    try:
        solver = getattr(scipy.integrate, method)(rate, segment.a, s.reshape(-1), segment.b, **options)
        while solver.status == "running":
            left, before = solver.t, solver.y
            message = solver.step()
            if solver.status == "failed" or solver.t <= left:  # LSODA goes on with steps that do not move the time
                raise np.linalg.LinAlgError(message or "no step is small enough")
            at = left + (solver.t - left) * THETA
            values = solver.dense_output()(at).T
            values[0], values[-1] = before, solver.y  # the solver's own values: joints are exact
            solution.append(solver.t, values.reshape((len(THETA), *shape)))
    except ValueError as error:
        if not isinstance(error, np.linalg.LinAlgError) and "infs or NaNs" not in str(error):
            raise  # not scipy's, but of the user's own function
        raise StepError(
            f"scipy's {method} stopped after t = {solution.end:.6g}: {error}; the solution diverges there, the"
            " right-hand side is not finite, or it is too stiff for this method (try 'Radau')"
        ) from None
    return solver.y.reshape(shape)


def _block_diagonal(blocks: np.ndarray) -> Any:
    """One matrix (d, d) as it is; a batch (..., d, d) as a sparse block-diagonal matrix."""
    if blocks.ndim == 2:
        return blocks
    from scipy.sparse import block_diag

    return block_diag(list(blocks.reshape((-1, *blocks.shape[-2:]))), format="csc")
