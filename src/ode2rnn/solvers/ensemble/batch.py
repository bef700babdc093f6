"""Fast paths for many trajectories of one ordinary network equation, where samples are asked for.

A kernel keeps the samples alone: memory does not grow with the number of steps. The dense output of such a solution is
computed when it is first asked for, by the plain path of the same method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import is_torch, stack, to_numpy
from ode2rnn.core.signals.data import InputData
from ode2rnn.kernels.ensembles.records import Start, StepGrid
from ode2rnn.kernels.steps.records import Tableau
from ode2rnn.solvers.ensemble.cores import over_cores, shares
from ode2rnn.solvers.ensemble.weights import EnsembleWeights, weights
from ode2rnn.solvers.explicit.network import as_network
from ode2rnn.solvers.problem import Problem, step_ends
from ode2rnn.solvers.sampled_dense import SampledDense
from ode2rnn.solvers.solution import Solution

STEP = 2e-4  # seconds, about, of a step of many trajectories in plain code
LEAST = 24  # trajectories; fewer do not fill a block
EACH_STATES = 10  # a block of "rk4" pays for one trajectory in so many states, because the plain path is slow
FASTEST = 1e6  # radians, as far as the kernel's sine is exact
CHUNK = 128  # steps whose inputs are known at a time
MOST_INPUTS = 1 << 21  # numbers of those
SHARE = 64  # trajectories that are worth a core of their own


def solve_rk4(problem: Problem, solution: Solution, plain: Callable[[Problem, Solution], None]) -> bool:
    """Solve by "rk4" in blocks of trajectories; False where that does not fit, or where the numbers overflow."""
    model, samples, dt = problem.model, problem.samples, problem.dt
    if not problem.is_additive:
        return False
    few = EACH_STATES * math.prod(problem.s0.shape[:-1]) < model.width
    if samples is None or dt is None or model.delays or few or is_torch(problem.s0):
        return False
    network = weights(problem)
    if network is None or not kernels.pays("rk4_blocks", STEP * (problem.span[1] - problem.span[0]) / dt):
        return False
    # all trajectories take the same steps, from knot to knot of the input, and keep those that samples fall on
    edges = [problem.span[0], *problem.points.tolist(), problem.span[1]]
    grids = [np.concatenate([[a], step_ends(a, b, dt)]) for a, b in pairwise(edges)]
    ends = np.concatenate([grid[1:] for grid in grids])
    slots = _slots(ends, samples[1:])
    if slots is None:
        return False
    states = _run_rk4(problem, network, grids, slots, len(samples) - 1)
    if not np.isfinite(states).all():
        return False

    # dense output is made, by the plain method, only when a time between the samples is asked for
    def alone(problem: Problem) -> Any:
        whole = Solution(problem.span[0], solution.theta)
        with np.errstate(all="ignore"):
            plain(problem, whole)
        return whole.piecewise()

    def resolve() -> Any:
        if not problem.members:
            return alone(problem)
        each = [
            alone(replace(problem, model=model, s0=s0, members=(), facts={}))
            for model, s0 in zip(problem.members, problem.s0, strict=True)
        ]
        return lambda t: stack([to_numpy(dense(t)) for dense in each], axis=1)

    solution.evaluations += 4 * len(ends)
    solution.adopt(SampledDense(samples, states, resolve), problem.span[1], len(ends))
    return True


def solve_tsit5(problem: Problem, solution: Solution, tableau: Tableau) -> bool:
    """Solve by "tsit5", a step of its own for each trajectory; False where that does not fit, or where one fails."""
    samples, d = problem.samples, problem.model.width
    if samples is None or not takes(problem) or not kernels.pays("tsit5_blocks"):
        return False
    own, network = weights(problem), as_network(problem)
    assert own is not None
    assert network is not None
    first = np.ascontiguousarray(problem.s0.reshape((-1, d)))
    with np.errstate(all="ignore"):
        slope = own.slope(first, problem.model.readout(first), network.data.start()) + np.repeat(
            own.phi.reshape((-1, d)), own.each, axis=0
        )
    blocks = _Blocks(problem, own, network.data, tableau, Start(first, slope, _first_steps(problem, own, first, slope)))
    states, failed, steps, rejected = blocks.run(samples)
    if failed >= 0 or not np.isfinite(states).all():
        return False
    solution.evaluations += 6 * (steps + rejected) + 2
    solution.rejected += rejected
    solution.adopt(SampledDense(samples, states, lambda: blocks), problem.span[1], steps)
    return True


def takes(problem: Problem) -> bool:
    """Whether "tsit5" has blocks for the problem: enough trajectories in NumPy, samples, an input that is data."""
    if problem.samples is None or math.prod(problem.s0.shape[:-1]) < LEAST or not kernels.compiled():
        return False
    network = as_network(problem)
    return network is not None and not (np.abs(network.data.omega) * max(map(abs, problem.span)) > FASTEST).any()


@dataclass(frozen=True, eq=False)
class _Blocks:
    """A solution that is computed again for the times it is asked for: its steps do not depend on them."""

    problem: Problem
    weights: EnsembleWeights
    data: InputData
    tableau: Tableau
    start: Start

    def __call__(self, t: np.ndarray) -> np.ndarray:
        times, back = np.unique(t, return_inverse=True)
        return self.run(times)[0][back]

    def run(self, times: np.ndarray) -> tuple[np.ndarray, int, int, int]:
        """States (T, ..., d) at increasing times; the trajectory that failed, or -1; most steps and rejections."""

        problem, data, own, first = self.problem, self.data, self.weights, self.start[0]
        out = np.empty((len(times), *first.shape))
        before = int(np.searchsorted(times, problem.span[0], side="right"))
        out[:before] = first
        solve = partial(
            kernels.tsit5_blocks,
            own,
            self.tableau,
            tuple(data),
            self.start,
            (problem.rtol, problem.atol),
            np.minimum(times[before:], problem.span[1]),
        )
        jobs = [partial(solve, share, out[before:]) for share in shares(len(first), SHARE)]
        failed, steps, rejected = (max(counts) for counts in zip(*over_cores(jobs), strict=True))
        return out.reshape((len(times), *problem.s0.shape)), failed, steps, rejected


def _first_steps(problem: Problem, own: EnsembleWeights, s: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The first step of each trajectory (Hairer, Norsett and Wanner, II.4), the input taken as constant."""
    G = problem.model.readout
    scale = problem.atol + problem.rtol * np.abs(s)
    with np.errstate(all="ignore"):
        d0, d1 = (np.sqrt(np.mean((v / scale) ** 2, axis=1)) for v in (s, slope))
        guess = np.where(np.minimum(d0, d1) < 1e-5, 1e-6, 0.01 * d0 / d1)
        span = problem.span[1] - problem.span[0]
        guess = np.minimum(np.where(guess > 0, guess, 1e-12 * span), span)  # no guess where the slope nears overflow
        ahead = s + guess[:, None] * slope
        change = own.slope(ahead - s, G(ahead) - G(s))
        d2 = np.sqrt(np.mean((change / scale) ** 2, axis=1)) / guess
        worst = np.maximum(d1, d2)
        best = np.where(worst <= 1e-15, np.maximum(1e-6, 1e-3 * guess), (0.01 / worst) ** 0.2)
        h = np.minimum(100 * guess, best)
    return np.where(np.isfinite(h) & (h > 0), h, guess)


def _slots(ends: np.ndarray, samples: np.ndarray) -> np.ndarray | None:
    """For each end of a step the sample that lies there, or -1; None if a sample lies between."""
    at = np.minimum(np.searchsorted(ends, samples - 1e-12 * np.abs(samples)), len(ends) - 1)
    if (np.abs(ends[at] - samples) > 1e-12 * np.maximum(np.abs(samples), ends[-1] - ends[0])).any():
        return None
    slots = np.full(len(ends), -1)
    slots[at] = np.arange(len(samples))
    return slots if (slots >= 0).sum() == len(samples) else None


def _run_rk4(
    problem: Problem, own: EnsembleWeights, grids: list[np.ndarray], slots: np.ndarray, rows: int
) -> np.ndarray:

    batch, d = problem.s0.shape[:-1], problem.model.width
    now = np.array(problem.s0.reshape((-1, d)).T, order="C")  # a copy, because the kernel goes on in it
    count = now.shape[1]
    out = np.empty((rows + 1, d, count))
    out[0] = now
    phi = own.phi if problem.members else np.zeros((0, d))
    most = max(1, min(CHUNK, MOST_INPUTS // (4 * count * max(1, own.C.shape[-1]))))
    done = 0
    with np.errstate(all="ignore"):
        for grid in grids:
            for first in range(0, len(grid) - 1, most):
                part = grid[first : first + most + 1]
                h = np.diff(part)
                times = np.stack([part[:-1], part[:-1] + h / 3, part[1:] - h / 3, part[1:]], axis=1)
                C, known, inputs = _inputs(problem, own, (grid[0], grid[-1]), times, batch)
                network = own._replace(C=C, phi=phi)
                run = partial(kernels.rk4_blocks, network, StepGrid(h, known, inputs, slots[done : done + len(h)]))
                over_cores([partial(run, share, now, out[1:]) for share in shares(count, SHARE)])
                done += len(h)
    return np.moveaxis(out.reshape((rows + 1, d, *batch)), 1, -1)


def _inputs(
    problem: Problem, own: EnsembleWeights, ends: tuple[float, float], times: np.ndarray, batch: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C (d, M) of inputs that differ between trajectories, what all share (P, 4, d), and those inputs (P, 4, M, N).

    Between models the matrices differ: there C is that of all inputs, (Q, d, M), and nothing is shared.
    """
    model, members, x = problem.additive, bool(problem.members), problem.x
    known = np.broadcast_to(0.0 if members else model.phi, (times.size, model.width))
    given = []
    for term in model.input if x is not None else ():
        assert x is not None
        given.append((term, x.piece(ends[0] - term.delay, ends[1] - term.delay)(times.ravel() - term.delay)))
    if members and all(values.ndim == 2 for _, values in given):
        batch = ()  # one input serves all
    count, columns, rows = math.prod(batch), [], []
    for term, values in given:
        if values.ndim == 2 and not members:
            known = known + values @ term.dense().T
            continue
        missing = (1,) * (len(batch) + 2 - values.ndim)
        values = values.reshape((times.size, *missing, *values.shape[1:]))
        values = np.broadcast_to(values, (times.size, *batch, values.shape[-1])).reshape((times.size, count, -1))
        columns.append(term.dense())
        rows.append(values.transpose(0, 2, 1))
    C = np.ascontiguousarray(np.concatenate(columns, axis=1)) if columns else np.zeros((model.width, 0))
    inputs = np.concatenate(rows, axis=1) if rows else np.zeros((times.size, 0, 1))
    shape = times.shape
    return (
        own.C if members else C,
        np.ascontiguousarray(known).reshape((*shape, model.width)),
        np.ascontiguousarray(inputs).reshape((*shape, -1, inputs.shape[-1]) if rows else (*shape, 0, 1)),
    )
