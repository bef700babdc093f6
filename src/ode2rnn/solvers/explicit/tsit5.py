"""An explicit Runge-Kutta method of order 5 with dense output, for ordinary and delay equations.

The pair of Tsitouras (Computers and Mathematics with Applications 62, 2011): order 5 with an error estimate
of order 4 and a free interpolant of order 4. For delay equations it is a method of steps: no step is longer
than the shortest delay, so everything delayed is known at all stages of a step, and is evaluated at once.
"""

from __future__ import annotations

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import Array, all_finite, as_like, stack, to_numpy
from ode2rnn.kernels.steps.records import Tableau
from ode2rnn.solvers.ensemble.batch import solve_tsit5
from ode2rnn.solvers.explicit.network import as_network
from ode2rnn.solvers.explicit.network_steps import Stepper
from ode2rnn.solvers.explicit.polynomials import adopt
from ode2rnn.solvers.problem import Problem, Segment
from ode2rnn.solvers.solution import Solution, check_step

C = np.array([0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0])
A = np.zeros((7, 7))
A[1, :1] = [0.161]
A[2, :2] = [-0.008480655492356989, 0.335480655492357]
A[3, :3] = [2.8971530571054935, -6.359448489975075, 4.3622954328695815]
A[4, :4] = [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525]
A[5, :5] = [
    5.86145544294642,
    -12.92096931784711,
    8.159367898576159,
    -0.071584973281401,
    -0.028269050394068383,
]
A[6, :6] = [
    0.09646076681806523,
    0.01,
    0.4798896504144996,
    1.379008574103742,
    -3.290069515436081,
    2.324710524099774,
]
# fifth-order minus fourth-order weights
ERROR = np.array(
    [
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ]
)
THETA = 0.5 - 0.5 * np.cos(np.pi * np.arange(5) / 4)


def interpolant(theta: np.ndarray) -> np.ndarray:
    """Weights b_i(theta) of the free interpolant, (T, 7)."""
    u, u2 = theta, theta**2
    return np.stack(
        [
            -1.0530884977290216 * u * (u - 1.3299890189751412) * (u2 - 1.4364028541716351 * u + 0.7139816917074209),
            0.1017 * u2 * (u2 - 2.1966568338249754 * u + 1.2949852507374631),
            2.490627285651252793 * u2 * (u2 - 2.38535645472061657 * u + 1.57803468208092486),
            -16.54810288924490272 * (u - 1.21712927295533244) * (u - 0.61620406037800089) * u2,
            47.37952196281928122 * (u - 1.203071208372362603) * (u - 0.658047292653547382) * u2,
            -34.87065786149660974 * (u - 1.2) * (u - 0.666666666666666667) * u2,
            2.5 * (u - 1) * (u - 0.6) * u2,
        ],
        axis=1,
    )


WEIGHTS = interpolant(THETA)
TABLEAU = np.vstack([A, ERROR])
# b_i(theta) = sum_p POLYNOMIALS[p - 1, i] theta^p
POLYNOMIALS = np.linalg.solve(THETA[1:, None] ** np.arange(1, 5), WEIGHTS[1:])
METHOD = Tableau(TABLEAU, C, POLYNOMIALS)
SAFETY, SHRINK, GROW = 0.9, 0.2, 6.0
# proportional-integral step control (Hairer and Wanner, IV.2)
PROPORTIONAL, INTEGRAL = 0.7 / 5, 0.4 / 5


def solve(problem: Problem, solution: Solution) -> None:
    """Step from t0 to t1, appending each accepted step to ``solution``; one trajectory of a network equation whose
    input is data runs compiled (kernels.steps.tsit5), and so do many at once (kernels.ensembles.tsit5).
    """
    network = as_network(problem) if kernels.compiled() and problem.s0.ndim == 1 else None
    if network is not None and kernels.pays("tsit5_steps"):
        stepper = Stepper(kernels.tsit5_steps, METHOD, 5, (6, 6), 1, problem, network, problem.s0, 0, 0.0)
        adopt(problem, solution, [stepper.run(solution)], ())
        return
    if solve_batch(problem, solution):
        return
    s, h = problem.s0, None
    longest = problem.shortest_delay
    for a, b in problem.segments():
        segment = problem.segment(solution, a, b)
        t, before = a, 1.0
        k0 = segment.rate_at(a, s)
        if h is None:
            h = min(longest, _first_step(segment, s, k0, problem))
        while t < b:
            h = min(h, longest)
            # two like steps to the end rather than one that leaves a sliver
            step = b - t if h >= (b - t) * (1 - 1e-12) else min(h, 0.5 * (b - t)) if h > 0.5 * (b - t) else h
            end = b if step >= (b - t) * (1 - 1e-12) else t + step
            stages, new = _step(segment, t, end - t, s, k0)
            error = _error_norm(stages, s, new, end - t, problem)  # infinite on overflow
            if not error <= 1.0:
                solution.rejected += 1
                h = step * (SHRINK if not np.isfinite(error) else max(SHRINK, SAFETY * error ** (-1 / 5)))
                check_step((a, b), t, h, s)
                continue
            solution.append(end, _dense(s, new, end - t, stages))
            factor = SAFETY * max(error, 1e-10) ** -PROPORTIONAL * max(before, 1e-4) ** INTEGRAL
            best = step * min(GROW, max(SHRINK, factor))
            h = best if step >= h else max(h, best)  # a step cut short says nothing against the longer one
            before, s, t, k0 = error, new, end, stages[-1]
            if end < b and h < 2 * step:  # held down by stability, without a rejected step
                check_step((a, b), t, h, s)


def solve_batch(problem: Problem, solution: Solution) -> bool:
    """Solve many trajectories, or models, at once; False where the blocks do not fit."""
    return solve_tsit5(problem, solution, METHOD)


def _step(segment: Segment, t: float, h: float, s: Array, k0: Array) -> tuple[list[Array], Array]:
    forcing = segment.forcing(t + h * C[1:6])
    stages, point = [k0], s
    for i in range(1, 7):
        point = s + h * sum(float(a) * k for a, k in zip(A[i, :i], stages, strict=True))
        known = forcing[i - 1] if i < 6 else forcing[4]  # the last two stages lie at t + h
        stages.append(segment.rate(known, point))
    return stages, point


def _error_norm(stages: list[Array], s: Array, new: Array, h: float, problem: Problem) -> float:
    if not all_finite(new) or not all_finite(stages[-1]):
        return np.inf
    old, new = to_numpy(s), to_numpy(new)
    error = h * np.abs(sum(e * to_numpy(k) for e, k in zip(ERROR, stages, strict=True)))
    scale = problem.atol + problem.rtol * np.maximum(np.abs(old), np.abs(new))
    # root mean square over the state, the worst over the batch: company makes no trajectory less accurate
    return float(np.sqrt(np.mean((error / scale) ** 2, axis=-1)).max())


def _dense(s: Array, new: Array, h: float, stages: list[Array]) -> Array:
    slopes = stack(stages)
    inner = as_like(h * WEIGHTS[1:-1], s) @ slopes.reshape((7, -1))
    inner = s + inner.reshape((len(THETA) - 2, *s.shape))
    return stack([s, *inner, new])


def _first_step(segment: Segment, s: Array, k0: Array, problem: Problem) -> float:
    # Hairer, Norsett and Wanner, II.4
    span = segment.b - segment.a
    state, slope = to_numpy(s), to_numpy(k0)
    scale = problem.atol + problem.rtol * np.abs(state)
    d0, d1 = _rms(state / scale), _rms(slope / scale)
    guess = min(span, 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1, problem.shortest_delay)
    if not guess > 0:  # a slope near overflow; the error control goes on from here
        return 1e-12 * span
    ahead = to_numpy(segment.rate_at(segment.a + guess, s + guess * k0))
    d2 = _rms((ahead - slope) / scale) / guess
    if not np.isfinite(d2):
        return guess
    worst = max(d1, d2)
    best = max(1e-6, guess * 1e-3) if worst <= 1e-15 else (0.01 / worst) ** (1 / 5)
    return min(100 * guess, best, span)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2, axis=-1)).max())
