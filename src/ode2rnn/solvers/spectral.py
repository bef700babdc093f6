"""The spectral method of steps for delay equations without an undelayed readout.

Within one delay every delayed readout is known, so the equation is linear there. A panel holds K Radau nodes:
R = G(S of the past), one product B R, and the exact collocation solve of S = s 1' + h Q (S A' + forcing).
The size of the panels follows the tail of the Legendre coefficients of S.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, as_like, concatenate, to_numpy
from ode2rnn.solvers.collocation import Nodes, Solve, panel_solver, radau_nodes
from ode2rnn.solvers.problem import Problem, Segment, Solution, check_step, precision

SAFETY = 0.9
GROWTH = (0.15, 3.0)
# Legendre coefficients of smooth data cannot be told from rounding below this share of the largest value, in
# units of the precision. What is left of them would keep the panels short where the tolerance is near it.
ROUNDING = 64
# lengths of panels whose factorization is kept
KEPT = 32


def node_count(rtol: float) -> int:
    """Nodes on a panel: more digits are cheaper by more nodes than by more panels."""
    return 10 if rtol > 1e-5 else 12 if rtol > 1e-8 else 16


def solve(problem: Problem, solution: Solution) -> None:
    """Solve panel by panel from t0 to t1, appending each accepted panel to ``solution``."""
    nodes = radau_nodes(len(solution.theta) - 1)
    term = problem.model.undelayed("state")
    A = None if term is None else term.dense()
    solvers: dict[float, Solve] = {}
    s, longest = problem.s0, problem.shortest_delay
    target = np.inf
    for a, b in problem.segments():
        segment = Segment(problem, solution, a, b)
        start, h = a, 0.0
        while start < b:
            h = _panel_length(b - start, h, min(target, longest))
            key = float(f"{h:.12e}")  # lengths that differ by rounding share one factorization
            if key not in solvers:
                if len(solvers) == KEPT:
                    solvers.clear()
                solvers[key] = panel_solver(A, h, nodes.integral)
            end = b if abs(start + h - b) <= 1e-9 * h else start + h
            values = _panel(segment, s, start, h, nodes, solvers[key])
            error = tail_error(values, nodes, problem.rtol, problem.atol)
            target = h * float(np.clip(SAFETY * max(error, 1e-30) ** (-1 / len(nodes.integral)), *GROWTH))
            if error > 1.0:
                solution.rejected += 1
                check_step(a, start, h, s)
                continue
            solution.append(end, values)
            s, start = values[-1], end


def _panel_length(rest: float, last: float, target: float) -> float:
    # equal panels up to the end of the segment; the last length is kept while it is within a factor of two of
    # the best, because a new length costs a factorization
    if 0.5 * target < last <= target and abs(rest / last - round(rest / last)) < 1e-9 and rest > 0.5 * last:
        return last
    return rest / max(1, int(np.ceil(rest / target - 1e-9)))


def _panel(segment: Segment, s: Array, start: float, h: float, nodes: Nodes, solve_linear: Solve) -> Array:
    forcing = segment.forcing(start + h * nodes.theta[1:])
    flat = forcing.reshape((forcing.shape[0], -1))
    integral = (as_like(h * nodes.integral, s) @ flat).reshape(forcing.shape)
    return concatenate([s[None], solve_linear(s + integral)])


def tail_error(values: Array, nodes: Nodes, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients of a panel over its tolerance, the largest over components."""
    if not all_finite(values):
        return np.inf
    panel = to_numpy(values)
    tail = np.abs(np.tensordot(nodes.to_legendre[-2:], panel, axes=1)).max(axis=0)
    size = np.abs(panel).max(axis=0)
    error = (np.maximum(tail - ROUNDING * precision(values) * size, 0.0) / (atol + rtol * size)).max()
    return float(error) if np.isfinite(error) else np.inf  # near overflow the coefficients are not numbers
