"""Collocation at Radau points for a right-hand side that is not linear in s(t): Newton's method on every panel.

Uses: C2.  A panel holds K nodes; S (K, ..., d) solves S = s 1' + h Q f(S), f at every node with the past known there.
One node is backward Euler.  An iterate that has not converged is never a solution: its panel is rejected.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, as_like, broadcast_to, concatenate, einsum, is_torch, to_numpy
from ode2rnn.solvers.problem import Problem, Segment
from ode2rnn.solvers.solution import Solution, check_step, precision
from ode2rnn.solvers.spectral.collocation import radau_nodes
from ode2rnn.solvers.spectral.modes import MOST_GROWTH
from ode2rnn.solvers.spectral.steps import next_target, panel_length, segment_ends, tail_error

MOST_ITERATIONS, MOST_SWEEPS = 15, 60
# a derivative is kept while the iteration contracts by this factor
CONTRACTS = 0.05
# states in NumPy beyond which the matrices of a panel cost more than sweeps of s <- s0 + h Q f(s)
WIDEST = 64
SHARE = 1e-3  # the last change of an iterate, against the tolerance
ROUNDING = 16


class NewtonResult(NamedTuple):
    """A panel that converged: S (K, ..., d), and df/ds (K, ..., d, d) near there, None after sweeps."""

    values: Array
    jacobian: Array | None


def solve(problem: Problem, solution: Solution) -> None:
    """Solve panel by panel from t0 to t1, appending each accepted panel to ``solution``."""
    nodes = radau_nodes(len(solution.theta) - 1)
    tail = as_like(nodes.to_legendre[-2:], problem.s0)
    s, target = problem.s0, np.inf
    for a, b in pairwise(segment_ends(problem, 0.0).tolist()):
        segment = problem.segment(solution, a, b)
        start = a
        while start < b:
            h = panel_length(a, b, start, target)
            end = b if abs(start + h - b) <= 1e-9 * h else start + h
            known = segment.forcing(start + h * nodes.theta[1:], (start, end))
            found = solve_panel(segment, known, s, h * nodes.integral, (problem.rtol, problem.atol))
            values, error = s[None], np.inf
            if found is not None:
                values = concatenate([s[None], found.values])
                error = tail_error(values, tail, problem.rtol, problem.atol)
            target = next_target(target, h, error, len(nodes.integral))
            growth = 0.0 if error > 1.0 or found is None else _growth(found.jacobian, h)
            if growth * h > MOST_GROWTH:  # a polynomial does not show that it has lost a faster growth
                error, target = np.inf, 0.9 * MOST_GROWTH / growth
            if error > 1.0:
                solution.rejected += 1
                check_step((a, b), start, h, s)
                continue
            solution.append(end, values)
            s, start = values[-1], end


def solve_panel(
    segment: Segment, known: Any, s: Array, Q: np.ndarray, tolerances: tuple[float, float]
) -> NewtonResult | None:
    """S with S = s 1' + Q f(S), Q (K, K) the integrals to the nodes in the unit of time; None without convergence.

    In torch the iteration runs without gradient, and one more step of it carries the gradient: its derivative is that
    of the solution (once), by the implicit function theorem.
    """
    tensors = is_torch(s)
    with sys.modules["torch"].no_grad() if tensors else nullcontext():
        found = _iterate(segment, known, s, as_like(Q, s), tolerances)
        if found is None or not tensors:
            return found
        J = segment.jacobian(known, found.values)
    S = found.values.detach()
    return NewtonResult(S + _newton(J.detach(), as_like(Q, s), _residual(segment, known, s, as_like(Q, s), S)), J)


def _iterate(segment: Segment, known: Any, s: Array, Q: Array, tolerances: tuple[float, float]) -> NewtonResult | None:
    rtol, atol = tolerances
    S = broadcast_to(s[None], (len(Q), *s.shape))
    newton = is_torch(s) or s.shape[-1] <= WIDEST
    J, before, rate = None, np.inf, np.inf
    for _ in range(MOST_ITERATIONS if newton else MOST_SWEEPS):
        change = _residual(segment, known, s, Q, S)
        if not all_finite(change):
            return None
        if newton:
            J = segment.jacobian(known, S) if J is None or rate > CONTRACTS else J
            if not all_finite(J):
                return None
            try:
                change = _newton(J, Q, change)
            except np.linalg.LinAlgError:
                return None
        S = S + change
        size = abs(to_numpy(S)).max(axis=0)
        least = ROUNDING * precision(S) * size.max(axis=-1, keepdims=True)
        scaled = abs(to_numpy(change)) / np.maximum(SHARE * (atol + rtol * size), least)
        now = float(scaled.max())
        if now <= 1.0:
            return NewtonResult(S, J)
        rate = now / before
        # sweeps that gain too little, or Newton steps that grow, do not get there
        if not np.isfinite(now) or (rate > 2.0 if newton else rate > 0.9 and before < np.inf):
            return None
        before = now
    return None


def _residual(segment: Segment, known: Any, s: Array, Q: Array, S: Array) -> Array:
    slopes = segment.rate(known, S)
    slopes = broadcast_to(slopes, tuple(S.shape))
    return s + (Q @ slopes.reshape((len(Q), -1))).reshape(S.shape) - S


def _newton(J: Array, Q: Array, residual: Array) -> Array:
    """The solution of (I - Q (x) J) change = residual, node j of J (K, ..., d, d) with column j of Q."""
    k, d = len(Q), residual.shape[-1]
    product = einsum("ij,j...ab->...aibj", Q, J)
    matrix = as_like(np.eye(d * k), residual) - product.reshape((*product.shape[:-4], d * k, d * k))
    if is_torch(residual):
        torch = sys.modules["torch"]
        columns = residual.movedim(0, -1).reshape((*residual.shape[1:-1], d * k, 1))
        solved = torch.linalg.solve_ex(matrix, columns)[0]  # a singular matrix gives what is not finite
        return solved.reshape((*residual.shape[1:], k)).movedim(-1, 0)
    columns = np.moveaxis(residual, 0, -1).reshape((*residual.shape[1:-1], d * k, 1))
    return np.moveaxis(np.linalg.solve(matrix, columns).reshape((*residual.shape[1:], k)), -1, 0)


def _growth(J: Array | None, h: float) -> float:
    """The rate of the fastest growing mode at the nodes, or a bound of it where that is small enough."""
    if J is None:
        return 0.0  # sweeps converge on panels that are short for every rate
    J = to_numpy(J)
    diagonal = np.diagonal(J, axis1=-2, axis2=-1)
    bound = float((diagonal - abs(diagonal) + abs(J).sum(axis=-1)).max())
    if bound * h <= MOST_GROWTH:
        return max(0.0, bound)
    return max(0.0, float(np.linalg.eigvals(J).real.max()))
