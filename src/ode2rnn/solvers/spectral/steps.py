"""The spectral method of steps for delay equations without an undelayed readout.

Within one delay every delayed readout is known, so the equation is linear there. A panel holds K Radau nodes:
R = G(S of the past), one product B R, and the exact collocation solve of S = s 1' + h Q (S A' + forcing).
The size of the panels follows the tail of the Legendre coefficients of S.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ode2rnn.core.arrays import Array, as_like, concatenate, is_torch, to_numpy
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.solution import Solution, check_step, precision
from ode2rnn.solvers.spectral import compiled as compiled_panels
from ode2rnn.solvers.spectral.collocation import Solve, panel_solvers, radau_nodes
from ode2rnn.solvers.spectral.modes import fastest_growth, longest_segment

# Nodes on a panel, at every tolerance: more digits are cheaper by more nodes than by more panels. Eight would halve the
# work of panels of the length of a delay at tolerances of 1e-3, but reject many and lose the slope of error against
# tolerance where they are shorter. The compiled code wants a multiple of 8.
NODES = 16
SAFETY = 0.9
SHRINK, GROW = 0.15, 3.0
# Legendre coefficients of smooth data cannot be told from rounding below this share of the largest component (the
# products mix components), in units of the precision.
ROUNDING = 64
# lengths of panels whose factorization is kept
KEPT = 32


def is_linear(problem: Problem) -> bool:
    """Whether the equation is linear in s(t): an additive model without an undelayed readout."""
    return problem.is_additive and problem.additive.undelayed("readout") is None


def solve_linear(problem: Problem, solution: Solution) -> None:
    """Solve panel by panel from t0 to t1, in compiled code where there is a kernel for the model."""
    if not compiled_panels.solve(problem, solution):
        solve_plainly(problem, solution)


def solve_plainly(problem: Problem, solution: Solution) -> None:
    """Solve panel by panel from t0 to t1, appending each accepted panel to ``solution``."""
    nodes = radau_nodes(len(solution.theta) - 1)
    term = problem.additive.undelayed("state")
    A = None if term is None else term.dense()
    of_length = panel_solvers(A, nodes.integral)
    Q = as_like(nodes.integral, problem.s0)
    tail = as_like(nodes.to_legendre[-2:], problem.s0)
    solvers: dict[float, Solve] = {}
    s, target = problem.s0, np.inf
    growth = 0.0 if A is None else fastest_growth(to_numpy(A))
    for a, b in pairwise(segment_ends(problem, growth).tolist()):
        segment = problem.segment(solution, a, b)
        start = a
        while start < b:
            h = panel_length(a, b, start, target)
            key = float(f"{h:.12e}")  # lengths that differ by rounding share one factorization
            if key not in solvers:
                if len(solvers) == KEPT:
                    solvers.clear()
                solvers[key] = of_length(h)
            end = b if abs(start + h - b) <= 1e-9 * h else start + h
            forcing = segment.forcing(start + h * nodes.theta[1:], (start, end))
            integral = (Q @ forcing.reshape((len(Q), -1))).reshape(forcing.shape)
            values = concatenate([s[None], solvers[key](s + h * integral)])
            error = tail_error(values, tail, problem.rtol, problem.atol)
            target = next_target(target, h, error, len(Q))
            if error > 1.0:
                solution.rejected += 1
                check_step((a, b), start, h, s)
                continue
            solution.append(end, values)
            s, start = values[-1], end


def segment_ends(problem: Problem, growth: float) -> np.ndarray:
    """t0, the breaking points, t1, and between them points the shortest delay, or a part of it, apart.

    Panels in such segments lie one delay after panels, once the breaking points are past. ``growth`` is the rate of
    the fastest growing mode of A.
    """
    ends = np.concatenate([problem.span[:1], problem.points, problem.span[1:]])
    tau = longest_segment(problem.shortest_delay, growth, problem.span)
    parts = np.maximum(1, np.ceil(np.diff(ends) / tau - 1e-9)).astype(int)
    if (parts == 1).all():
        return ends
    first = np.cumsum(parts) - parts
    steps = np.arange(parts.sum()) - np.repeat(first, parts)
    return np.append(np.repeat(ends[:-1], parts) + steps * tau, ends[-1])


def panel_length(a: float, b: float, start: float, target: float) -> float:
    """The largest of (b - a) / 2^n that is at most ``target`` and takes a panel at ``start`` onto the dyadic grid.

    Few lengths occur, so few operators of a panel are needed, and panels lie one delay after panels.
    """
    h, n = b - a, 1.0
    while h > target * (1.0 + 1e-9) and n < 1e15:
        h, n = 0.5 * h, 2.0 * n
    place = (start - a) / (b - a)
    while abs(place * n - round(place * n)) > 0.01 and n < 1e12:
        h, n = 0.5 * h, 2.0 * n
    return h


def next_target(target: float, h: float, error: float, k: int) -> float:
    """The longest panel to try next, after a panel of length ``h`` with that error over its tolerance."""
    factor = min(max(SAFETY * max(error, 1e-30) ** (-1.0 / k), SHRINK), GROW)
    if error > 1.0:
        return h * min(factor, 0.5)
    if h <= 0.5 * target and factor >= 1.0:
        return max(target, h * factor)  # the end of its segment made the panel short
    return h * max(factor, 1.0)


def tail_error(values: Array, to_tail: Array, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients of a panel over its tolerance, the largest over components.

    Infinite where a value is not finite. In torch all is done where the tensors are, but for the result.
    """
    panel = (values.detach() if is_torch(values) else values).reshape((len(values), -1, values.shape[-1]))
    tail = abs((to_tail @ panel.reshape((len(values), -1))).reshape((2, *panel.shape[1:])))
    if is_torch(panel):
        least, largest = panel.aminmax(dim=0)  # no copy of the panel
        tail, size = tail.amax(0), largest.maximum(-least)
    else:
        tail, size = tail.max(axis=0), abs(panel).max(axis=0)
    largest = size.amax(-1, keepdim=True) if is_torch(size) else size.max(axis=-1, keepdims=True)
    rounding = ROUNDING * precision(values) * largest  # what is below it says nothing about the length of the panel
    error = float(((tail - rounding).clip(min=0.0) / (atol + rtol * size).clip(min=rounding)).max())
    return error if np.isfinite(error) else np.inf
