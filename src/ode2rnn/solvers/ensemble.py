"""Fast paths for many trajectories of one ordinary network equation, where samples are asked for.

A kernel keeps the samples alone: memory does not grow with the number of steps. The dense output of such a solution is
computed when it is first asked for, by the plain path of the same method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.kernels.codes import activation_code
from ode2rnn.solvers.network import Network, as_network
from ode2rnn.solvers.problem import Problem, Segment, Solution, step_ends

LEAST, LEAST_LANES = 8, 24  # trajectories; fewer do not fill a block
FASTEST = 1e6  # radians, as far as the kernel's sine is exact
CHUNK = 128  # steps whose inputs are known at a time


@dataclass(eq=False)
class SampledDense:
    """States at the samples (T, ..., d), and elsewhere what ``resolve`` gives when first asked."""

    samples: np.ndarray
    states: np.ndarray
    resolve: Callable[[], Any]
    _elsewhere: Any = field(default=None, repr=False)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """s at the times ``t`` (T,), as (T, ..., d)."""
        at = np.minimum(np.searchsorted(self.samples, t), len(self.samples) - 1)
        if np.array_equal(self.samples[at], t):
            return self.states if np.array_equal(at, np.arange(len(self.samples))) else self.states[at]
        if self._elsewhere is None:
            self._elsewhere = self.resolve()
        values = np.array(to_numpy(self._elsewhere(t)))
        exact = self.samples[at] == t
        values[exact] = self.states[at[exact]]
        return values


def solve_rk4(problem: Problem, solution: Solution, plain: Callable[[Problem, Solution], None]) -> bool:
    """Solve by "rk4" in blocks of trajectories; False where that does not fit, or where the numbers overflow."""
    model, samples, dt = problem.model, problem.samples, problem.dt
    code = None if is_torch(problem.s0) else activation_code(model.activation)
    count = math.prod(problem.s0.shape[:-1])
    if code is None or samples is None or dt is None or model.delays or count < LEAST or not kernels.compiled():
        return False
    edges = [problem.span[0], *problem.points.tolist(), problem.span[1]]
    grids = [np.concatenate([[a], step_ends(a, b, dt)]) for a, b in pairwise(edges)]
    ends = np.concatenate([grid[1:] for grid in grids])
    slots = _slots(ends, samples[1:])
    if slots is None:
        return False
    states = _run_rk4(problem, code, grids, slots, len(samples) - 1)
    if not np.isfinite(states).all():
        return False

    def resolve() -> Any:
        whole = Solution(problem.span[0], solution.theta)
        with np.errstate(all="ignore"):
            plain(problem, whole)
        return whole.piecewise()

    solution.evaluations += 4 * len(ends)
    solution.adopt(SampledDense(samples, states, resolve), problem.span[1], len(ends))
    return True


def solve_tsit5(problem: Problem, solution: Solution, tableau: tuple[np.ndarray, ...]) -> bool:
    """Solve by "tsit5", a step of its own for each trajectory; False where that does not fit, or where one fails.

    ``tableau`` holds the nodes, the stages, the weights of the error, and the interpolant's polynomials.
    """
    samples, s0, d = problem.samples, problem.s0, problem.model.width
    if samples is None or not takes(problem):
        return False
    network = as_network(problem)
    assert network is not None
    AB = np.zeros((d, 2 * d))
    for n, matrix in enumerate((network.A, network.B)):
        AB[:, n * d : (n + 1) * d] = matrix if matrix.size else 0.0
    first = np.ascontiguousarray(s0.reshape((-1, d)))
    edges = network.data.edges
    slope = Segment(problem, Solution(edges[0], solution.theta), float(edges[0]), float(edges[1])).rate_at
    start = np.ascontiguousarray(slope(problem.span[0], s0).reshape((-1, d)))
    lanes = _Lanes(problem, network, AB, tableau, (first, start, _first_steps(problem, network, AB, first, start)))
    states, failed, steps, rejected = lanes.run(samples)
    if failed >= 0 or not np.isfinite(states).all():
        return False
    solution.evaluations += 6 * (steps + rejected) + 2
    solution.rejected += rejected
    solution.adopt(SampledDense(samples, states, lambda: lanes), problem.span[1], steps)
    return True


def takes(problem: Problem) -> bool:
    """Whether "tsit5" has lanes for the problem: enough trajectories in NumPy, samples, an input that is data."""
    if problem.samples is None or math.prod(problem.s0.shape[:-1]) < LEAST_LANES or not kernels.compiled():
        return False
    network = as_network(problem)
    return network is not None and not (np.abs(network.data.omega) * max(map(abs, problem.span)) > FASTEST).any()


@dataclass(frozen=True, eq=False)
class _Lanes:
    """A solution that is computed again for the times it is asked for: its steps do not depend on them."""

    problem: Problem
    network: Network
    AB: np.ndarray
    tableau: tuple[np.ndarray, ...]
    start: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __call__(self, t: np.ndarray) -> np.ndarray:
        times, back = np.unique(t, return_inverse=True)
        return self.run(times)[0][back]

    def run(self, times: np.ndarray) -> tuple[np.ndarray, int, int, int]:
        """States (T, ..., d) at increasing times; the trajectory that failed, or -1; most steps and rejections."""
        from ode2rnn.kernels.ensemble_tsit5 import solve_lanes

        problem, data, first = self.problem, self.network.data, self.start[0]
        out = np.empty((len(times), *first.shape))
        before = int(np.searchsorted(times, problem.span[0], side="right"))
        out[:before] = first
        inputs = (data.edges, data.pieces, data.omega, data.sine, data.cosine)
        tolerances = problem.rtol, problem.atol
        counts = solve_lanes(
            self.network.code,
            self.AB,
            self.network.C,
            self.network.phi,
            self.tableau,
            inputs,
            self.start,
            *tolerances,
            np.minimum(times[before:], problem.span[1]),
            out[before:],
        )
        return out.reshape((len(times), *problem.s0.shape)), *counts


def _first_steps(problem: Problem, network: Network, AB: np.ndarray, s: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The first step of each trajectory (Hairer, Norsett and Wanner, II.4), the input taken as constant."""
    G, d = problem.model.activation.value, s.shape[1]
    scale = problem.atol + problem.rtol * np.abs(s)
    with np.errstate(all="ignore"):
        d0, d1 = (np.sqrt(np.mean((v / scale) ** 2, axis=1)) for v in (s, slope))
        guess = np.where(np.minimum(d0, d1) < 1e-5, 1e-6, 0.01 * d0 / d1)
        span = problem.span[1] - problem.span[0]
        guess = np.minimum(np.where(guess > 0, guess, 1e-12 * span), span)  # no guess where the slope nears overflow
        ahead = s + guess[:, None] * slope
        change = (ahead - s) @ AB[:, :d].T + (G(ahead) - G(s)) @ AB[:, d:].T
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


def _run_rk4(problem: Problem, code: int, grids: list[np.ndarray], slots: np.ndarray, rows: int) -> np.ndarray:
    from ode2rnn.kernels.ensemble_rk4 import rk4_blocks

    batch, d = problem.s0.shape[:-1], problem.model.width
    now = np.array(problem.s0.reshape((-1, d)).T, order="C")  # a copy, because the kernel goes on in it
    count = now.shape[1]
    out = np.empty((rows + 1, d, count))
    out[0] = now
    AB = np.zeros((d, 2 * d))
    for n, kind in enumerate(("state", "readout")):
        term = problem.model.undelayed(kind)
        if term is not None:
            AB[:, n * d : (n + 1) * d] = term.dense()
    done = 0
    with np.errstate(all="ignore"):
        for grid in grids:
            for first in range(0, len(grid) - 1, CHUNK):
                part = grid[first : first + CHUNK + 1]
                h = np.diff(part)
                times = np.stack([part[:-1], part[:-1] + h / 3, part[1:] - h / 3, part[1:]], axis=1)
                C, known, inputs = _inputs(problem, (grid[0], grid[-1]), times, batch)
                rk4_blocks(code, AB, C, h, known, inputs, slots[done : done + len(h)], now, out[1:])
                done += len(h)
    return np.moveaxis(out.reshape((rows + 1, d, *batch)), 1, -1)


def _inputs(
    problem: Problem, ends: tuple[float, float], times: np.ndarray, batch: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C (d, M) of inputs that differ between trajectories, what all share (P, 4, d), and those inputs (P, 4, M, N)."""
    model, count = problem.model, math.prod(batch)
    known = np.broadcast_to(model.phi, (times.size, model.width))
    columns, rows = [], []
    for term in model.input if problem.x is not None else ():
        assert problem.x is not None
        values = problem.x.piece(ends[0] - term.delay, ends[1] - term.delay)(times.ravel() - term.delay)
        if values.ndim == 2:
            known = known + values @ term.dense().T
            continue
        missing = (1,) * (len(batch) + 2 - values.ndim)
        values = values.reshape((times.size, *missing, *values.shape[1:]))
        values = np.broadcast_to(values, (times.size, *batch, values.shape[-1])).reshape((times.size, count, -1))
        columns.append(term.dense())
        rows.append(values.transpose(0, 2, 1))
    C = np.ascontiguousarray(np.concatenate(columns, axis=1)) if columns else np.zeros((model.width, 0))
    inputs = np.concatenate(rows, axis=1) if rows else np.zeros((times.size, 0, count))
    shape = times.shape
    return (
        C,
        np.ascontiguousarray(known).reshape((*shape, model.width)),
        np.ascontiguousarray(inputs).reshape((*shape, -1, count)) if rows else np.zeros((*shape, 0, 1)),
    )
