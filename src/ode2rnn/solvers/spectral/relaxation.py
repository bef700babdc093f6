"""Collocation for units that relax each on its own within a delay, as K1: one K x K system for every unit of a panel.

Uses: K1, K3.  At K Radau nodes ds/dt = -kappa_s s + kappa_u u reads (Q^-1 + h kappa_s) S = Q^-1 1 s_a + h kappa_u u,
Q the integrals of the nodes' polynomials. Every row is divided by 1 + h kappa_s, by logarithms: what then stands there
are the gates of backward Euler with the step h, which no rate makes overflow. One node is backward Euler, and K3.
"""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.arrays import Array, as_like, concatenate, is_torch
from ode2rnn.core.systems.relaxation import Relaxation
from ode2rnn.solvers.feedback import FeedbackSegment, FeedbackSolution
from ode2rnn.solvers.problem import Known, Problem
from ode2rnn.solvers.solution import check_step, smallest_step
from ode2rnn.solvers.spectral.collocation import radau_nodes
from ode2rnn.solvers.spectral.steps import next_target, panel_length, tail_error

SIGMOID, SOFTPLUS = ACTIVATIONS["sigmoid"], ACTIVATIONS["softplus"]
# a layer this many of the smallest steps wide cannot be resolved: the unit jumps to where its rates hold it
NARROW = 1e3


def solve(problem: Problem, solution: FeedbackSolution) -> None:
    """Solve panel by panel from t0 to t1, appending each accepted panel to ``solution``."""
    nodes = radau_nodes(len(solution.theta) - 1)
    inverse = as_like(np.linalg.inv(nodes.integral), problem.s0)
    tail = as_like(nodes.to_legendre[-2:], problem.s0)
    s, target = problem.s0, np.inf
    for a, b in pairwise([problem.span[0], *problem.points.tolist(), problem.span[1]]):
        segment = FeedbackSegment(problem, solution, a, b)
        length, start = b - a, 0.0  # times are counted from a, where layers can be resolved
        s = _past_layers(segment.relaxation(segment.look(np.zeros(1))), s, NARROW * smallest_step(0.0, 0.0, length))
        while start < length:
            h = panel_length(0.0, length, start, target)
            end = length if abs(start + h - length) <= 1e-9 * h else start + h
            times = start + h * nodes.theta
            seen = segment.look(times)
            values = concatenate([s[None], _panel(segment.relaxation(_after_first(seen)), s, h, inverse)])
            both = concatenate([values, segment.readout(seen, values)], axis=-1)
            error = tail_error(both, tail, problem.rtol, problem.atol)
            target = next_target(target, h, error, len(inverse))
            if error > 1.0:
                solution.rejected += 1
                check_step((0.0, length), start, h, s)
                continue
            solution.add(b if end == length else a + end, both, start, end)
            s, start = values[-1], end


def _panel(rates: Relaxation, s: Array, h: float, inverse: Array) -> Array:
    """S (K, ..., d) at the nodes of a panel of length h that starts from s (..., d)."""
    z = rates.log_s + math.log(h)
    # 1 / (1 + h kappa_s), h kappa_s times it, and h kappa_u times it
    gates = SIGMOID.value(-z), SIGMOID.value(z), exp(rates.log_u + math.log(h) - SOFTPLUS.value(z)) * rates.u
    share, decay, push = (_last(values) for values in gates)
    eye = as_like(np.eye(len(inverse)), s)
    matrix = share[..., None] * inverse + decay[..., None] * eye
    right = share * (s[..., None] * inverse.sum(1)) + push
    solver = sys.modules["torch"].linalg.solve if is_torch(s) else np.linalg.solve
    return _first(solver(matrix, right[..., None])[..., 0])


def _past_layers(rates: Relaxation, s: Array, narrow: float) -> Array:
    """s, but a unit whose layer is too narrow for any step where its rates hold it, kappa_u u / kappa_s."""
    fast = rates.log_s[0] + math.log(narrow) > 0
    held = exp(where(fast, rates.log_u[0] - rates.log_s[0], 0.0 * s)) * rates.u[0]
    return where(fast, held, s)


def _after_first(seen: Known) -> Known:
    """What is known at all times but the first."""
    return Known(seen.t[1:], tuple(p[1:] for p in seen.past), None if seen.x is None else seen.x[1:])


def exp(a: Array) -> Array:
    """e^a."""
    return a.exp() if is_torch(a) else np.exp(a)


def where(mask: Array, a: Array, b: Array) -> Array:
    """a where the mask holds, else b."""
    return a.where(mask, b) if is_torch(a) else np.where(mask, a, b)


def _last(values: Array) -> Array:
    return values.movedim(0, -1) if is_torch(values) else np.moveaxis(values, 0, -1)


def _first(values: Array) -> Array:
    return values.movedim(-1, 0) if is_torch(values) else np.moveaxis(values, -1, 0)
