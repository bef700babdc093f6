"""The adaptive method of solvers.explicit.tsit5 for many trajectories of one network equation, each with its own steps.

Uses: C9.  COLUMNS trajectories advance together, each with its own time, step and input; one that has reached the end
makes room for the next. The plain twin is solvers.explicit.tsit5, whose formulas these are.
"""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.ensembles.inputs import add_jump, evaluate, load_input, room_for
from ode2rnn.kernels.ensembles.records import EnsembleNetwork, Start
from ode2rnn.kernels.products.batch import COLUMNS, load_weights, multiply, weighted_sum, weights_for
from ode2rnn.kernels.steps.records import Tableau
from ode2rnn.kernels.steps.taylor import smallest_step

SAFETY, SHRINK, GROW = 0.9, 0.2, 6.0
PROPORTIONAL, INTEGRAL = 0.7 / 5, 0.4 / 5


@kernel
def tsit5_blocks(
    network: EnsembleNetwork,
    tableau: Tableau,
    data: tuple,
    start: Start,
    tolerance: tuple[float, float],
    samples: np.ndarray,
    share: tuple[int, int],
    out: np.ndarray,
) -> tuple[int, int, int]:
    """Solve from the first edge to the last, from trajectory ``share[0]`` to before ``share[1]``.

    Returns:
        -1 or a trajectory that failed, the most steps, the most rejected.

    Args:
        data: edges, pieces, omega, sine, cosine of core.signals.data.InputData.
        tolerance: rtol and atol.
        samples: times (T,) to keep, after the first edge.
        out: (T, N, d).
    """
    A, (begin, count), edges = tableau.weights, share, data[0]
    C = network.C
    d, M = C.shape[-2], C.shape[-1]
    size, last = d * COLUMNS, len(edges) - 1
    s, new, q, H = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    z, K = np.zeros(2 * size), np.zeros((7, size))
    x = np.zeros(M * COLUMNS)
    t, h, step, before, error = (
        np.zeros(COLUMNS),
        np.zeros(COLUMNS),
        np.zeros(COLUMNS),
        np.zeros(COLUMNS),
        np.zeros(COLUMNS),
    )
    who, segment, sample = np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64)
    taken, refused = np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64)
    accepted = np.zeros(COLUMNS)
    inputs = room_for(data, M)
    W, V, base = weights_for(network.AB), weights_for(C), np.zeros(size)
    following, busy, most, worst = begin, 0, 0, 0
    for column in range(COLUMNS):
        who[column] = -1
    while True:
        for column in range(COLUMNS):
            if who[column] < 0 and following < count:
                for i in range(d):
                    s[i * COLUMNS + column], K[0, i * COLUMNS + column] = (
                        start.s[following, i],
                        start.slope[following, i],
                    )
                h[column] = start.h[following]
                _load_model(following // network.each, column, network, W, V, base)
                who[column], t[column], before[column] = following, edges[0], 1.0
                segment[column], sample[column], taken[column], refused[column] = 0, 0, 0, 0
                load_input(following, segment[column], column, data, inputs)
                following += 1
                busy += 1
            left, trial = edges[segment[column] + 1] - t[column], h[column]
            if trial >= left * (1 - 1e-12):
                trial = left
            elif trial > 0.5 * left:  # two like steps to the end rather than one that leaves a sliver
                trial = 0.5 * left
            step[column] = trial if who[column] >= 0 else 0.0
        for i in range(d):
            for column in range(COLUMNS):
                H[i * COLUMNS + column] = step[column]
        for stage in range(1, 7):
            _combine(stage, A[stage], H, s, K, z)
            rate = K[stage]
            for j in range(size):
                rate[j] = base[j]
            if M > 0:
                evaluate(t, step, tableau.nodes[stage], inputs, x)
                multiply(V, x, rate)
            warp(network.code, z[:size], z[size:])
            multiply(W, z, rate)
        for j in range(size):
            new[j] = z[j]
        _error(A[7], H, s, new, K, tolerance, q, error)
        for column in range(COLUMNS):
            if who[column] < 0:
                continue
            e, tried = error[column], step[column]
            accepted[column] = 0.0
            if not e <= 1.0:
                refused[column] += 1
                h[column] = tried * (max(SHRINK, SAFETY * e**-0.2) if e < 1e300 else SHRINK)
                if not h[column] > smallest_step(t[column], edges[segment[column]], edges[segment[column] + 1]):
                    return who[column], most, worst
                continue
            accepted[column] = 1.0
            taken[column] += 1
            end = edges[segment[column] + 1]
            if tried < (end - t[column]) * (1 - 1e-12):
                end = t[column] + tried
            at = sample[column]
            while at < len(samples) and samples[at] <= end:
                theta = (samples[at] - t[column]) / tried
                _sample(theta, tried, column, tableau.dense, s, new, K, out[at, who[column]])
                at += 1
            sample[column] = at
            best = SAFETY * math.exp(
                INTEGRAL * math.log(max(before[column], 1e-4)) - PROPORTIONAL * math.log(max(e, 1e-10))
            )
            best = tried * min(GROW, max(SHRINK, best))
            h[column] = best if tried >= h[column] else max(h[column], best)
            before[column], t[column] = e, end
            a, b = edges[segment[column]], edges[segment[column] + 1]
            if end < b and h[column] < 2.0 * tried and not h[column] > smallest_step(end, a, b):
                return who[column], most, worst  # held down by stability, without a rejected step
        _accept(accepted, s, new, K, d)
        for column in range(COLUMNS):
            if who[column] < 0 or accepted[column] == 0.0 or t[column] < edges[segment[column] + 1]:
                continue
            segment[column] += 1
            if segment[column] < last:
                # the slope jumps with the input
                add_jump(-1.0, column, t[column], V, inputs, K)
                load_input(who[column], segment[column], column, data, inputs)
                add_jump(1.0, column, t[column], V, inputs, K)
                before[column] = 1.0
                continue
            most, worst = max(most, taken[column]), max(worst, refused[column])
            who[column], segment[column] = -1, 0
            busy -= 1
        if busy == 0 and following == count:
            return -1, most, worst


@inner
def _load_model(n: int, column: int, network: EnsembleNetwork, W: np.ndarray, V: np.ndarray, base: np.ndarray) -> None:
    load_weights(network.AB, n, column, W)
    load_weights(network.C, n, column, V)
    _load_bias(network.phi, n, column, base)


@inner
def _load_bias(phi: np.ndarray, n: int, column: int, base: np.ndarray) -> None:
    for i in range(phi.shape[-1]):
        if phi.ndim == 1:
            base[i * COLUMNS + column] = phi[i]
        else:
            base[i * COLUMNS + column] = phi[n, i]


@inner
def _combine(n: int, weights: np.ndarray, H: np.ndarray, s: np.ndarray, K: np.ndarray, z: np.ndarray) -> None:
    """z = s + H times the sum over the first n stages."""
    point = z[: len(s)]
    weighted_sum(weights, n, K, point)
    for j in range(len(s)):
        point[j] = s[j] + H[j] * point[j]


@inner
def _error(
    weights: np.ndarray,
    H: np.ndarray,
    s: np.ndarray,
    new: np.ndarray,
    K: np.ndarray,
    tolerance: tuple[float, float],
    q: np.ndarray,
    error: np.ndarray,
) -> None:
    """Root mean square of the scaled error of each column; not finite where the new state is not."""
    rtol, atol = tolerance
    weighted_sum(weights, 7, K, q)
    for j in range(len(s)):
        q[j] *= H[j]
    for j in range(len(s)):
        a, b = abs(s[j]), abs(new[j])
        part = q[j] / (atol + rtol * (a if a > b else b))
        q[j] = part * part
    d = len(s) // COLUMNS
    for column in range(COLUMNS):
        error[column] = 0.0
    for i in range(d):
        for column in range(COLUMNS):
            error[column] += q[i * COLUMNS + column]
    for column in range(COLUMNS):
        error[column] = math.sqrt(error[column] / d)


@inner
def _accept(accepted: np.ndarray, s: np.ndarray, new: np.ndarray, K: np.ndarray, d: int) -> None:
    first, seventh = K[0], K[6]
    for i in range(d):
        own, after = s[i * COLUMNS : (i + 1) * COLUMNS], new[i * COLUMNS : (i + 1) * COLUMNS]
        slope, final = first[i * COLUMNS : (i + 1) * COLUMNS], seventh[i * COLUMNS : (i + 1) * COLUMNS]
        for column in range(COLUMNS):
            own[column] = after[column] if accepted[column] > 0.0 else own[column]
            slope[column] = final[column] if accepted[column] > 0.0 else slope[column]


@inner
def _sample(
    theta: float, h: float, column: int, P: np.ndarray, s: np.ndarray, new: np.ndarray, K: np.ndarray, row: np.ndarray
) -> None:
    """The interpolant at theta into ``row`` (d,)."""
    for i in range(len(row)):
        at = i * COLUMNS + column
        if theta >= 1.0:
            row[i] = new[at]
            continue
        total = 0.0
        for k in range(7):
            weight = theta * (P[0, k] + theta * (P[1, k] + theta * (P[2, k] + theta * P[3, k])))
            total += weight * K[k, at]
        row[i] = s[at] + h * total
