"""The adaptive method of solvers.explicit.tsit5 for many trajectories of one network equation, each with its own steps.

Uses: C9.  LANES trajectories advance together, each with its own time, step and input; one that has reached the end
makes room for the next. The plain twin is solvers.explicit.tsit5, whose formulas these are.
"""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.ensembles.inputs import add_jump, evaluate, load_input, room_for
from ode2rnn.kernels.ensembles.records import EnsembleNetwork, Start
from ode2rnn.kernels.products.batch import LANES, load_weights, multiply, weighted_sum, weights_for
from ode2rnn.kernels.steps.records import Tableau
from ode2rnn.kernels.steps.taylor import smallest_step

SAFETY, SHRINK, GROW = 0.9, 0.2, 6.0
PROPORTIONAL, INTEGRAL = 0.7 / 5, 0.4 / 5


@kernel
def solve_lanes(
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
    size, last = d * LANES, len(edges) - 1
    s, new, q, H = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    z, K = np.zeros(2 * size), np.zeros((7, size))
    x = np.zeros(M * LANES)
    t, h, step, before, error = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    who, segment, sample = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    taken, refused = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    accepted = np.zeros(LANES)
    inputs = room_for(data, M)
    W, V, base = weights_for(network.AB), weights_for(C), np.zeros(size)
    following, busy, most, worst = begin, 0, 0, 0
    for lane in range(LANES):
        who[lane] = -1
    while True:
        for lane in range(LANES):
            if who[lane] < 0 and following < count:
                for i in range(d):
                    s[i * LANES + lane], K[0, i * LANES + lane] = start.s[following, i], start.slope[following, i]
                h[lane] = start.h[following]
                _load_model(following // network.each, lane, network, W, V, base)
                who[lane], t[lane], before[lane] = following, edges[0], 1.0
                segment[lane], sample[lane], taken[lane], refused[lane] = 0, 0, 0, 0
                load_input(following, segment[lane], lane, data, inputs)
                following += 1
                busy += 1
            left, trial = edges[segment[lane] + 1] - t[lane], h[lane]
            if trial >= left * (1 - 1e-12):
                trial = left
            elif trial > 0.5 * left:  # two like steps to the end rather than one that leaves a sliver
                trial = 0.5 * left
            step[lane] = trial if who[lane] >= 0 else 0.0
        for i in range(d):
            for lane in range(LANES):
                H[i * LANES + lane] = step[lane]
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
        for lane in range(LANES):
            if who[lane] < 0:
                continue
            e, tried = error[lane], step[lane]
            accepted[lane] = 0.0
            if not e <= 1.0:
                refused[lane] += 1
                h[lane] = tried * (max(SHRINK, SAFETY * e**-0.2) if e < 1e300 else SHRINK)
                if not h[lane] > smallest_step(t[lane], edges[segment[lane]], edges[segment[lane] + 1]):
                    return who[lane], most, worst
                continue
            accepted[lane] = 1.0
            taken[lane] += 1
            end = edges[segment[lane] + 1]
            if tried < (end - t[lane]) * (1 - 1e-12):
                end = t[lane] + tried
            at = sample[lane]
            while at < len(samples) and samples[at] <= end:
                theta = (samples[at] - t[lane]) / tried
                _sample(theta, tried, lane, tableau.dense, s, new, K, out[at, who[lane]])
                at += 1
            sample[lane] = at
            best = SAFETY * math.exp(
                INTEGRAL * math.log(max(before[lane], 1e-4)) - PROPORTIONAL * math.log(max(e, 1e-10))
            )
            best = tried * min(GROW, max(SHRINK, best))
            h[lane] = best if tried >= h[lane] else max(h[lane], best)
            before[lane], t[lane] = e, end
            a, b = edges[segment[lane]], edges[segment[lane] + 1]
            if end < b and h[lane] < 2.0 * tried and not h[lane] > smallest_step(end, a, b):
                return who[lane], most, worst  # held down by stability, without a rejected step
        _accept(accepted, s, new, K, d)
        for lane in range(LANES):
            if who[lane] < 0 or accepted[lane] == 0.0 or t[lane] < edges[segment[lane] + 1]:
                continue
            segment[lane] += 1
            if segment[lane] < last:
                # the slope jumps with the input
                add_jump(-1.0, lane, t[lane], V, inputs, K)
                load_input(who[lane], segment[lane], lane, data, inputs)
                add_jump(1.0, lane, t[lane], V, inputs, K)
                before[lane] = 1.0
                continue
            most, worst = max(most, taken[lane]), max(worst, refused[lane])
            who[lane], segment[lane] = -1, 0
            busy -= 1
        if busy == 0 and following == count:
            return -1, most, worst


@inner
def _load_model(n: int, lane: int, network: EnsembleNetwork, W: np.ndarray, V: np.ndarray, base: np.ndarray) -> None:
    load_weights(network.AB, n, lane, W)
    load_weights(network.C, n, lane, V)
    _load_bias(network.phi, n, lane, base)


@inner
def _load_bias(phi: np.ndarray, n: int, lane: int, base: np.ndarray) -> None:
    for i in range(phi.shape[-1]):
        if phi.ndim == 1:
            base[i * LANES + lane] = phi[i]
        else:
            base[i * LANES + lane] = phi[n, i]


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
    """Root mean square of the scaled error of each lane; not finite where the new state is not."""
    rtol, atol = tolerance
    weighted_sum(weights, 7, K, q)
    for j in range(len(s)):
        q[j] *= H[j]
    for j in range(len(s)):
        a, b = abs(s[j]), abs(new[j])
        part = q[j] / (atol + rtol * (a if a > b else b))
        q[j] = part * part
    d = len(s) // LANES
    for lane in range(LANES):
        error[lane] = 0.0
    for i in range(d):
        for lane in range(LANES):
            error[lane] += q[i * LANES + lane]
    for lane in range(LANES):
        error[lane] = math.sqrt(error[lane] / d)


@inner
def _accept(accepted: np.ndarray, s: np.ndarray, new: np.ndarray, K: np.ndarray, d: int) -> None:
    first, seventh = K[0], K[6]
    for i in range(d):
        own, after = s[i * LANES : (i + 1) * LANES], new[i * LANES : (i + 1) * LANES]
        slope, final = first[i * LANES : (i + 1) * LANES], seventh[i * LANES : (i + 1) * LANES]
        for lane in range(LANES):
            own[lane] = after[lane] if accepted[lane] > 0.0 else own[lane]
            slope[lane] = final[lane] if accepted[lane] > 0.0 else slope[lane]


@inner
def _sample(
    theta: float, h: float, lane: int, P: np.ndarray, s: np.ndarray, new: np.ndarray, K: np.ndarray, row: np.ndarray
) -> None:
    """The interpolant at theta into ``row`` (d,)."""
    for i in range(len(row)):
        at = i * LANES + lane
        if theta >= 1.0:
            row[i] = new[at]
            continue
        total = 0.0
        for k in range(7):
            weight = theta * (P[0, k] + theta * (P[1, k] + theta * (P[2, k] + theta * P[3, k])))
            total += weight * K[k, at]
        row[i] = s[at] + h * total
