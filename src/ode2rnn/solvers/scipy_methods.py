"""scipy's solve_ivp under its own method names, from breaking point to breaking point."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.solvers.problem import Problem, Segment, Solution, StepFailure

# enough nodes for the interpolant of highest degree (LSODA's, 12)
THETA = 0.5 - 0.5 * np.cos(np.pi * np.arange(13) / 12)
IMPLICIT = ("Radau", "BDF", "LSODA")


def solve(problem: Problem, solution: Solution, method: str) -> None:
    """Run ``method`` on every segment; for delay equations no segment is longer than the shortest delay."""
    from scipy.integrate import solve_ivp

    shape = problem.s0.shape
    s = problem.s0.reshape(-1)
    rtol = max(problem.rtol, 100 * np.finfo(float).eps)  # scipy's own floor, without its warning
    for a, b in problem.segments(longest=problem.shortest_delay):
        segment = Segment(problem, solution, a, b)

        def rate(t: float, flat: np.ndarray, segment: Segment = segment) -> np.ndarray:
            return segment.rate_at(t, flat.reshape(shape)).reshape(-1)

        def jacobian(t: float, flat: np.ndarray, segment: Segment = segment) -> Any:
            return segment.jacobian(flat)

        options = {"jac": jacobian} if method in IMPLICIT and len(shape) == 1 else {}
        with np.errstate(all="ignore"):
            result = solve_ivp(
                rate, (a, b), s, method=method, rtol=rtol, atol=problem.atol, dense_output=True, **options
            )
        times = result.t
        finite = np.isfinite(result.y).all(axis=0)
        last = len(times) if finite.all() else int(np.argmin(finite))
        if last > 1:
            at = times[: last - 1, None] + np.diff(times[:last])[:, None] * THETA
            values = result.sol(at.ravel()).T.reshape((*at.shape, -1))
            # the ends of a step are the solver's own values: joints are exact
            values[:, 0], values[:, -1] = result.y[:, : last - 1].T, result.y[:, 1:last].T
            solution.extend(times[1:last], values.reshape((*at.shape, *shape)))
        if result.status != 0 or last < len(times):
            raise StepFailure(
                f"scipy's {method} stopped at t = {times[last - 1]:.6g}: {result.message}; the solution diverges there,"
                " or is too stiff for this method (try 'Radau')"
            )
        s = result.y[:, -1]
