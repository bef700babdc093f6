"""A recursion as an approximation of the differential equation it samples, on the equation's own clock.

Uses: D1, D2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.signals.signal import Signal
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN
from ode2rnn.discrete.schemes import discretize
from ode2rnn.solvers.problem import Problem


@dataclass(frozen=True)
class Recursion:
    """The cell that samples a problem with step dt, with all it has to be fed.

    Sample n is at t0 + (n + 1) dt: s[-1] = s(t0), and x[n] is the input at the end of its tick (D1).
    """

    cell: CanonicalRNN | TappedRNN
    problem: Problem
    ticks: int

    def solve(self) -> np.ndarray:
        """s[-1 .. N-1] (N + 1, ..., d), of the cell run over the whole range from the true past of the problem.

        Raises:
            SimulationError: the recursion diverges.
        """
        problem, cell = self.problem, self.cell
        t0, dt = problem.span[0], cell.dt

        def state(n: int) -> np.ndarray:
            return to_numpy(problem.s0) if n == -1 else sample(problem.history, np.array([t0 + (n + 1) * dt]), dt)[0]

        def value(n: int) -> np.ndarray:
            return self._inputs(np.array([t0 + (n + 1) * dt]))[0]

        memory = cell.remember(state, value)
        inputs = self._inputs(t0 + dt * np.arange(1, self.ticks + 1))
        rest = to_numpy(run(cell, inputs if cell.input_width else self.ticks, memory).s)
        return np.concatenate([np.broadcast_to(to_numpy(problem.s0), (1, *rest.shape[1:])), rest])

    def _inputs(self, times: np.ndarray) -> np.ndarray:
        if self.problem.x is None:
            return np.zeros((len(times), self.cell.input_width))
        return sample(self.problem.x, times, self.cell.dt)


def build_recursion(problem: Problem, dt: float, ticks: int, scheme: str, alpha: float | None) -> Recursion:
    """Discretize the problem's model; everything that can be wrong is found here."""
    return Recursion(discretize(problem.model.like(np.zeros(1)), dt, scheme, alpha), problem, ticks)


def sample(signal: Signal, times: np.ndarray, dt: float) -> np.ndarray:
    """The values at ``times`` (T,) as float64; where the signal jumps, the value before the jump.

    That is the one which holds on the tick that ends there. A time that rounding has put beside a knot is that knot.
    """
    if not len(signal.knots):
        return to_numpy(signal(times))
    after = np.clip(np.searchsorted(signal.knots, times), 1, len(signal.knots) - 1) if len(signal.knots) > 1 else 0
    near = signal.knots[np.maximum(after - 1, 0)], signal.knots[after]
    nearest = np.where(np.abs(times - near[0]) <= np.abs(times - near[1]), near[0], near[1])
    at_knot = np.abs(times - nearest) <= 1e-9 * dt + 8 * np.finfo(float).eps * np.abs(times)
    values = np.array(to_numpy(signal(np.where(at_knot, nearest, times))))
    if at_knot.any():
        values[at_knot] = to_numpy(signal.left(nearest[at_knot]))
    return values
