"""The method of solvers.explicit.tsit5, compiled for one trajectory of an ordinary network equation.  Uses: C9."""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.activations import warp_at
from ode2rnn.kernels.elementwise.vectors import WIDTH, address, get, load, put, spread, store
from ode2rnn.kernels.products.tile import add_to_vector
from ode2rnn.kernels.steps.forcing import Model, forcing_at, model_of, room_for, start_segment
from ode2rnn.kernels.steps.records import NetworkEquation, Tableau
from ode2rnn.kernels.steps.taylor import DONE, FAILED, FULL, REJECTED, SCALE, SEGMENT, TIME, smallest_step

STAGES, POWERS = 7, 5
SAFETY, SHRINK, GROW = 0.9, 0.2, 6.0
PROPORTIONAL, INTEGRAL = 0.7 / 5, 0.4 / 5
BEFORE = 4  # entry of the cursor: the error of the last step


@kernel
def _rate(model: Model, t: float, u: float, W: int, s: int, r: int, rate: int) -> None:
    """W[rate :] = ds/dt at the time t, u after the start of the segment, for the state W[s :]."""
    forcing_at(model, t, u, W, rate)
    if model.readout:
        warp_at(model.code, 0.0, model.matrices[3], W + 8 * s, W + 8 * r)
    add_to_vector(model.matrices, W, s, r, rate)


@inlined
def _combine(weights: np.ndarray, n: int, h: float, W: int, k: int, to: int, width: int) -> None:
    """W[to :] = W[0 :] + h sum_j weights[j] W[k + j width :] over n stages."""
    for o in range(0, width, WIDTH):
        total = load(W, o)
        for j in range(n):
            total = h * weights[j] * load(W, k + j * width + o) + total
        store(W, to + o, total)


@inlined
def _norm(W: int, at: int, less: int, scale: int, d: int) -> float:
    """Root mean square of (W[at :] - W[less :]) / W[scale :]; ``less`` below 0 for nothing to take away."""
    total = 0.0
    for i in range(d):
        value = get(W, at + i)
        if less >= 0:
            value -= get(W, less + i)
        value /= get(W, scale + i)
        total += value * value
    return math.sqrt(total / d)


@kernel
def tsit5_steps(
    equation: NetworkEquation, tableau: Tableau, cursor: np.ndarray, s: np.ndarray, breaks: np.ndarray, out: np.ndarray
) -> tuple[int, int]:
    """Take steps until ``out`` is full, the end is reached, or no step is small enough: (number of steps, status).

    Args:
        cursor: time, length of the next step (0: find one), segment, rejected steps, error of the last step.

    The others as in kernels.steps.taylor; ``out`` is (N, 5, width).
    """
    d, width, edges, rtol, atol = equation.phi.shape[0], s.shape[0], equation.edges, equation.rtol, equation.atol
    F_array, sines = room_for(equation, width)
    W_array = np.zeros((STAGES + 4) * width)
    W, to = address(W_array), address(out)
    model = model_of(equation, width, F_array, sines)
    at, k, point, r, scale = 0 * width, width, 8 * width, 9 * width, 10 * width
    t, h, segment, rejected, before = (
        cursor[TIME],
        cursor[SCALE],
        int(cursor[SEGMENT]),
        cursor[REJECTED],
        cursor[BEFORE],
    )
    for i in range(width):
        put(W, at + i, s[i])
        put(W, scale + i, 1.0)
    n, status, fresh = 0, FULL, True
    while n < out.shape[0]:
        a, b = edges[segment], edges[segment + 1]
        if fresh:
            start_segment(equation, segment, width, F_array)
            _rate(model, t, t - a, W, at, r, k)
            fresh = False
        if h == 0.0:  # the first step (Hairer, Norsett and Wanner, II.4)
            for i in range(d):
                put(W, scale + i, atol + rtol * abs(get(W, at + i)))
            d0, d1 = _norm(W, at, -1, scale, d), _norm(W, k, -1, scale, d)
            guess = min(b - a, 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1)
            if not guess > 0.0:  # a slope near overflow; the error control goes on from here
                guess = 1e-12 * (b - a)
            for i in range(width):
                put(W, point + i, get(W, at + i) + guess * get(W, k + i))
            second = k + width
            u = t - a + guess
            _rate(model, t + guess, u, W, point, r, second)
            worst = max(d1, _norm(W, second, k, scale, d) / guess)
            h = guess
            if worst < np.inf:
                best = max(1e-6, guess * 1e-3) if worst <= 1e-15 else (0.01 / worst) ** (1 / 5)
                h = min(100 * guess, best, b - a)
        step = h
        if h >= (b - t) * (1 - 1e-12):
            step = b - t
        elif h > 0.5 * (b - t):
            step = 0.5 * (b - t)
        last = step >= (b - t) * (1 - 1e-12)
        end = b if last else t + step
        length = end - t
        for j in range(1, STAGES):
            _combine(tableau.weights[j], j, length, W, k, point, width)
            time = end if j > 4 else t + tableau.nodes[j] * length
            now = k + j * width
            _rate(model, time, time - a, W, point, r, now)
        size = 0.0
        for i in range(d):
            total = 0.0
            for j in range(STAGES):
                total += tableau.weights[STAGES, j] * get(W, k + j * width + i)
            worst = max(abs(get(W, at + i)), abs(get(W, point + i)))
            total *= length / (atol + rtol * worst)
            size += total * total
        size = math.sqrt(size / d)
        if not size <= 1.0:
            rejected += 1.0
            h = step * (max(SHRINK, SAFETY * size ** (-0.2)) if size < np.inf else SHRINK)
            if not h > smallest_step(t, a, b):
                status = FAILED
                break
            continue
        start = n * POWERS * width
        for o in range(0, width, WIDTH):
            store(to, start + o, load(W, at + o))
            for p in range(1, POWERS):
                total_v = spread(0.0)
                for j in range(STAGES):
                    total_v = length * tableau.dense[p - 1, j] * load(W, k + j * width + o) + total_v
                store(to, start + p * width + o, total_v)
            store(W, at + o, load(W, point + o))
            store(W, k + o, load(W, k + (STAGES - 1) * width + o))
        n += 1
        breaks[n] = end
        factor = SAFETY * max(size, 1e-10) ** -PROPORTIONAL * max(before, 1e-4) ** INTEGRAL
        best = step * min(GROW, max(SHRINK, factor))
        h = best if step >= h else max(h, best)
        before, t = size, end
        if not last and h < 2.0 * step and not h > smallest_step(t, a, b):
            status = FAILED  # held down by stability, without a rejected step
            break
        if last:
            segment += 1
            fresh, before = True, 1.0
            if segment == edges.shape[0] - 1:
                status = DONE
                break
    for i in range(width):
        s[i] = get(W, at + i)
    W_array[0], F_array[0], sines[:] = 0.0, 0.0, 0.0  # the memory is in use up to here
    cursor[TIME], cursor[SCALE], cursor[SEGMENT], cursor[REJECTED], cursor[BEFORE] = t, h, segment, rejected, before
    return n, status
