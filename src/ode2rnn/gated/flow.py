"""Solving the LSTM in continuous time, from breaking point to breaking point.  Uses: K1.

With tau > 0 all that the rates depend on is known within a delay, so K1 is linear and diagonal in s there, with rates
that vary in time. v depends on v(t - tau) directly, so its jumps and kinks come back undamped after every delay: they
are breaking points for ever.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, check_choice, is_torch, times_like
from ode2rnn.core.trajectory import SimulationError, Stats, Trajectory
from ode2rnn.gated.collocation import solve_panels
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.problem import build
from ode2rnn.gated.segment import LSTMProblem, LSTMSolution, LSTMTrajectory, Sides
from ode2rnn.solvers.integrate import solve_other
from ode2rnn.solvers.methods import METHODS
from ode2rnn.solvers.solution import Solution, StepError

__all__ = ["KNOWN_METHODS", "LSTMTrajectory"]  # to import this file is to teach `integrate` the ContinuousLSTM

KNOWN_METHODS = ("spectral", "tsit5", "RK45", "DOP853", "Radau", "BDF", "LSODA")


def method_of(name: str, model: ContinuousLSTM, like: Array) -> str:
    """The method that ``name`` asks for.

    Raises:
        ValueError: one that does not solve K1.
    """
    check_choice("method", name, {"auto", *METHODS})
    if name == "auto":
        return "spectral" if model.delay else "tsit5" if is_torch(like) else "LSODA"
    if name not in KNOWN_METHODS:
        raise ValueError(
            f"method: {name!r} does not solve a ContinuousLSTM; expected one of {', '.join(KNOWN_METHODS)}"
        )
    if name == "spectral" and not model.delay:
        raise ValueError("method: 'spectral' needs tau > 0, where the equation is linear within a delay; use 'LSODA'")
    if METHODS[name].family == "scipy" and is_torch(like):
        raise ValueError(f"method: {name!r} runs in NumPy and has no gradients; use 'spectral' or 'tsit5' in torch")
    return name


@solve_other.register
def _solve(model: ContinuousLSTM, x: Any, **given: Any) -> Trajectory:
    for name in ("adjoint", "progress"):
        if given[name]:
            raise ValueError(f"{name}: expected False for a ContinuousLSTM, got True")
    if given["dt"] is not None:
        raise ValueError(
            "dt: a ContinuousLSTM is solved with steps chosen by rtol and atol; leave dt out, or discretize"
        )
    problem, samples = build(model, x, given)
    method = METHODS[method_of(given["method"], problem.model, problem.s0)]
    solution = LSTMSolution(problem.span[0], method.theta(problem.rtol))
    with np.errstate(all="ignore"):
        try:
            (solve_panels if method.name == "spectral" else method.run)(problem, solution)
        except (StepError, SimulationError) as failure:
            partial = _trajectory(problem, solution, samples, method.name)
            raise SimulationError(str(failure), None if partial is None else partial.failed(str(failure))) from None
        found = _trajectory(problem, solution, samples, method.name)
    assert found is not None
    return found


def _trajectory(
    problem: LSTMProblem, solution: Solution, samples: np.ndarray | None, name: str
) -> LSTMTrajectory | None:
    if not solution.steps:
        return None
    whole, d = solution.piecewise(), problem.model.width
    dense, dense_v = Sides(whole, slice(None, d)), Sides(whole, slice(d, None))
    times = (
        np.unique(whole.nodes()[0]) if samples is None else samples[samples <= solution.end + 1e-12 * abs(solution.end)]
    )
    met = int(problem.points.searchsorted(solution.end)) if len(problem.points) else 0
    stats = Stats(name, solution.evaluations, solution.steps, solution.rejected, met)
    s = dense(times)
    x = None if problem.x is None else problem.x(times)
    knots = np.concatenate([problem.span[:1], problem.points])
    span = (problem.span[0], solution.end)
    return LSTMTrajectory(
        times_like(times, s), s, dense_v(times), x, stats, dense=dense, knots=knots, span=span, dense_v=dense_v
    )
