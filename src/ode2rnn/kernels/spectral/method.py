"""The spectral method of steps, step after step.

Uses: C7.  A step of one trajectory is a block of d rows of K values, one row a component, one column a Radau node.
Nothing here knows a model: the equation comes in the coordinates z of the modes of A, s = V z, where its linear part is
diagonal or made of 2 x 2 rotations. The plain twin is solvers.spectral.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.elementwise.vectors import address, get, larger, largest, load, magnitude, spread, total
from ode2rnn.kernels.spectral.algebra import add_product, fill, solve_dense, solve_modes
from ode2rnn.kernels.spectral.past import gather, locate
from ode2rnn.kernels.spectral.plan import next_target, panel_length
from ode2rnn.kernels.spectral.records import DONE, REJECTED, REPLAN, Control, DelayEquation, NodeTable, Plan, Solved

Array = np.ndarray
EPS = 2.220446049250313e-16
ROUNDING = 64 * EPS
LARGEST = 1e-4 * 1.7976931348623157e308  # as solvers.problem.HUGE


@inner
def tail_error(K: int, tail: int, before: int, s: int, d: int, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients over the tolerance, the largest over components; infinite for NaN
    and for values that near the largest number.

    tail (2, 1 + K) takes the start value, the last of a row of ``before``, and the K values of a row of s to the two.
    """
    most, bad = spread(0.0), spread(0.0)
    for i in range(0, d * K, 4):
        v = load(s, i)
        most, bad = larger(magnitude(v), most), 0.0 * v + bad
    if total(bad) != 0.0 or largest(most) >= LARGEST:  # the first is true for NaN, too
        return np.inf
    worst, rounding = 0.0, ROUNDING * largest(most)
    for c in range(d):
        first = get(before, c * K + K - 1)
        x, y, most = spread(0.0), spread(0.0), spread(abs(first))
        for k in range(0, K, 4):
            v = load(s, c * K + k)
            x, y = load(tail, 1 + k) * v + x, load(tail, K + 2 + k) * v + y
            most = larger(magnitude(v), most)
        one, two = get(tail, 0) * first + total(x), get(tail, K + 1) * first + total(y)
        error = max(max(abs(one), abs(two)) - rounding, 0.0) / max(atol + rtol * largest(most), rounding)
        if not abs(one) + abs(two) < np.inf:
            return np.inf
        worst = max(worst, error)
    return worst


@kernel
def solve_panels(
    plan: Plan, solved: Solved, count: int, equation: DelayEquation, nodes: NodeTable, control: Control
) -> tuple:
    """Take the planned steps in turn, until one is rejected or the target asks for another plan.

    ``solved`` holds ``count`` steps, and has room for those of the plan.

    Returns:
        (how many steps were solved, what stopped the run, target, error of the last step).
    """
    breaks, values, modes = solved
    delays, target, K = equation.delays, control.target, nodes.theta.shape[0] - 1
    batch, d = modes.shape
    size, inputs, extra = d * K, plan.inputs, plan.extra
    known, forcing, past, delayed = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    solutions = np.empty((batch, size))
    weight = np.empty((delays.shape[0], K, (K + 1) * K))
    sources = np.empty((delays.shape[0], K), np.int64)
    number = np.empty(delays.shape[0], np.int64)
    error = 0.0
    for p in range(len(plan.starts)):
        start, end, table = plan.starts[p], plan.ends[p], plan.tables[p]
        if p > 0:
            a, b = plan.bounds[plan.segments[p]], plan.bounds[plan.segments[p] + 1]
            if abs(panel_length(a, b, start, target) - (end - start)) > 1e-6 * (end - start):
                return p, REPLAN, target, error
        for n in range(delays.shape[0]):
            number[n] = -1  # the history, which the extra forcing holds
            if 0.5 * (start + end) - delays[n] >= control.t0:
                span = (start, end, delays[n])
                number[n] = locate(breaks, count, span, nodes.theta, nodes.weights, sources[n], weight[n])
        error = 0.0
        for member in range(batch):
            z, now, out = solutions[member], address(modes[member]), values[count + 1, member]
            if member == 0 or inputs.shape[1] > 1:
                x = inputs[p, member if inputs.shape[1] > 1 else 0]
                for c in range(d):
                    fill(address(known) + 8 * c * K, K, equation.bias[c])
                add_product(K, address(equation.to_modes), d, x.shape[0], address(x), address(known))
            for i in range(size):
                forcing[i] = known[i] + (extra[p, member, i] if p < extra.shape[0] else 0.0)
            for n in range(delays.shape[0]):
                if number[n] < 0:
                    continue
                source = values[sources[n, 0] + 1, member]
                if number[n] > 0:
                    gather(K, d, values, sources[n], number[n], member, weight[n], address(past))
                    source = past
                if equation.warped[n]:
                    warp(equation.code, source, delayed)
                    source = delayed
                add_product(K, address(equation.terms[n]), d, d, address(source), address(forcing))
            if equation.dense.shape[0] > 0:
                solve_dense(size, d, address(equation.dense[table]), now, address(forcing), address(z))
            else:
                pairs = equation.turned.shape[1]
                counts, real, turned = (d - 2 * pairs, pairs), equation.real[table], equation.turned[table]
                solve_modes(K, counts, address(real), address(turned), now, address(forcing), address(z))
            if equation.basis.shape[0] > 0:
                fill(address(out), size, 0.0)
                add_product(K, address(equation.basis), d, d, address(z), address(out))
            else:
                out[:] = z
            before = address(values[count, member])
            error = max(error, tail_error(K, address(nodes.tail), before, address(out), d, control.rtol, control.atol))
            if not error < np.inf:
                break
        target = next_target(K, target, end - start, error)
        if error > 1.0:
            return p, REJECTED, target, error
        for member in range(batch):
            for c in range(d):
                modes[member, c] = solutions[member, c * K + K - 1]
        count += 1
        breaks[count] = end
    return len(plan.starts), DONE, target, error
