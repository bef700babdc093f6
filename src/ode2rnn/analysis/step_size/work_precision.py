"""Work against precision: what each method of `integrate` costs for the error it reaches.

Uses: C7.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.step_size.convergence import check_steps, reference_solution
from ode2rnn.core.arrays import brief, check_array, check_choice, to_numpy
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.arguments import build_problem
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS

COMPARED = 257


@dataclass(frozen=True)
class WorkPrecisionRow:
    """One run: a method at one tolerance, or at one step.

    Attributes:
        method: as `integrate` takes it.
        rtol: relative tolerance; None for a fixed step.
        dt: the step; None for an adaptive method.
        error: the largest over components, batch and 257 times spread evenly over the range; NaN if it failed.
        evaluations, steps: of the right-hand side, and accepted steps; 0 if it failed.
        seconds: CPU seconds of this process, the median of the repeats; NaN if it failed.
        failure: what went wrong, in words; "" if nothing did.
    """

    method: str
    rtol: float | None
    dt: float | None
    error: float = float("nan")
    evaluations: int = 0
    steps: int = 0
    seconds: float = float("nan")
    failure: str = ""


@dataclass(frozen=True)
class WorkPrecision:
    """The rows of a study.

    Attributes:
        rows: by method, in the order given.
        reference: what the errors were measured against.
        floor: the accuracy of that; errors below it say no more than that they are.
    """

    rows: tuple[WorkPrecisionRow, ...]
    reference: str
    floor: float

    def of(self, method: str) -> tuple[WorkPrecisionRow, ...]:
        """The rows of one method, in the order of its tolerances or steps."""
        return tuple(row for row in self.rows if row.method == method)

    def table(self) -> str:
        """A line per row."""
        lines = [f"error against {self.reference}, which is good to {self.floor:.0e}"]
        lines.append(f"{'method':<16}{'rtol or dt':>15}{'error':>12}{'evaluations':>13}{'steps':>9}{'CPU s':>11}")
        for row in self.rows:
            size = f"rtol {row.rtol:.0e}" if row.rtol is not None else f"dt {row.dt:.6g}"
            head = f"{row.method:<16}{size:>15}"
            if row.failure:
                lines.append(f"{head}  failed: {row.failure}")
            else:
                lines.append(f"{head}{row.error:12.2e}{row.evaluations:13d}{row.steps:9d}{row.seconds:11.2e}")
        return "\n".join(lines)

    __str__ = table


def work_precision(
    model: Flow,
    x: Signal | Callable[[float], ArrayLike] | None = None,
    *,
    t: tuple[float, float],
    history: object,
    methods: Mapping[str, ArrayLike],
    s0: object = None,
    reference: object = 1e-13,
    repeats: int = 3,
) -> WorkPrecision:
    """Run every method at every tolerance (adaptive) or step (fixed), and measure error and cost.

    Args:
        model, x, history, s0: as for `integrate`.
        t: (t0, t1), in the model's unit of time.
        methods: by name, as `integrate` takes it: of an adaptive method the values of rtol, of which atol is a tenth;
            of another the steps, decreasing.
        reference: the solution: a Trajectory or a function t -> (..., d); or the relative tolerance at which it is
            computed, as for `convergence`.
        repeats: timed runs, after one that is not timed; the median is kept.

    A run that fails (it diverges, or the method does not take this model or step) is a row that says so.

    Raises:
        ValueError: arguments that no run could take.
        SimulationError: the reference itself diverges.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> decay = ContinuousRNN(A=-1.0, B=0.0, C=None, phi=None)
        >>> study = work_precision(decay, t=(0, 1), history=1.0, methods={"tsit5": [1e-3, 1e-6]})
        >>> [row.error < row.rtol for row in study.rows]
        [True, True]
    """
    runs = _runs(methods)
    given, rtol = (None, reference) if isinstance(reference, float) else (reference, 1e-13)
    if isinstance(repeats, bool) or not isinstance(repeats, int | np.integer) or repeats < 1:
        raise ValueError(f"repeats: expected a whole number >= 1, got {repeats!r}")
    problem = build_problem(model, x, t, history, s0, rtol, 1e-14, None)
    if problem.samples is not None:
        raise ValueError("t: expected the range (t0, t1), got an array of times")
    times = np.linspace(*problem.span, COMPARED)
    exact, uncertain, source = reference_solution(model, x, problem.span, history, s0, given, rtol)
    values = to_numpy(exact(times))
    rows = []
    for row in runs:

        def solve(row: WorkPrecisionRow = row) -> Trajectory:
            size = {"dt": row.dt} if row.rtol is None else {"rtol": row.rtol, "atol": 0.1 * row.rtol}
            return integrate(model, x, t=problem.span, history=history, s0=s0, method=row.method, **size)

        rows.append(_measured(row, solve, times, values, repeats))
    floor = max(uncertain, 100 * np.finfo(float).eps * float(np.abs(values).max()))
    return WorkPrecision(tuple(rows), source, floor)


def _runs(methods: Mapping[str, ArrayLike]) -> list[WorkPrecisionRow]:
    """The rows to fill, their names and sizes checked."""
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(f"methods: expected tolerances or steps by name of the method, got {brief(methods)}")
    rows = []
    for name, sizes in methods.items():
        if _is_adaptive(name):
            rtols = np.atleast_1d(to_numpy(check_array(f"methods[{name!r}]", sizes)))
            if rtols.ndim != 1 or not len(rtols) or not ((rtols >= 1e-14) & (rtols < 1)).all():
                raise ValueError(f"methods[{name!r}]: expected tolerances in [1e-14, 1), got {brief(sizes)}")
            rows += [WorkPrecisionRow(name, float(size), None) for size in rtols]
        else:
            rows += [WorkPrecisionRow(name, None, float(size)) for size in check_steps(sizes, least=1)]
    return rows


def _is_adaptive(name: str) -> bool:
    name = check_choice("methods", name, ["auto", *METHODS])
    return name == "auto" or METHODS[name].adaptive


def _measured(
    row: WorkPrecisionRow, solve: Callable[[], Trajectory], times: np.ndarray, exact: np.ndarray, repeats: int
) -> WorkPrecisionRow:
    try:
        solution = solve()
        error = float(np.abs(to_numpy(solution(times)) - exact).max())
        seconds = median(_seconds(solve) for _ in range(repeats))
    except (SimulationError, ValueError) as failure:
        return WorkPrecisionRow(row.method, row.rtol, row.dt, failure=str(failure))
    stats = solution.stats
    return WorkPrecisionRow(row.method, row.rtol, row.dt, error, stats.evaluations, stats.steps, seconds)


def _seconds(solve: Callable[[], Trajectory]) -> float:
    start = time.process_time()
    solve()
    return time.process_time() - start
