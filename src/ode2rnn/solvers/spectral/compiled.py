"""The spectral method of steps in compiled code: plans panels, samples the input on their nodes, runs the kernel.

The input and the history may be any functions of time: they are needed at known times only, the nodes of the planned
panels, and are called with all of them at once.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.signals import Constant
from ode2rnn.kernels.spectral.records import DONE, REJECTED, Control, Lengths, NodeTable, Plan, Solved
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.solution import Solution, check_step
from ode2rnn.solvers.spectral.modes import longest_segment
from ode2rnn.solvers.spectral.tables import Tables, tables_of

# The first plan, how plans grow while no panel is rejected, and the numbers that a plan may hold of each array.
FIRST, CAREFUL, FASTER, MOST = 128, 4, 8, 2**22
MANY = 1000  # panels of one length, after which a longer one is tried

EPS = float(np.finfo(float).eps)


class Panels(Piecewise):
    """The dense output of the kernel: its blocks (P + 1, batch, d K), of which the first ends with s(t0)."""

    def __init__(
        self,
        breaks: np.ndarray,
        theta: np.ndarray,
        weights: np.ndarray,
        blocks: np.ndarray,
        shape: tuple[int, ...],
    ) -> None:
        self.__dict__.update(breaks=breaks, theta=theta, _weights=weights, blocks=blocks, shape=shape)

    @cached_property
    def values(self) -> np.ndarray:
        """The polynomials at the nodes, (P, K + 1, ..., d)."""
        count, k = len(self.breaks), len(self.theta) - 1
        blocks = self.__dict__["blocks"].reshape((count, -1, self.__dict__["shape"][-1], k))
        values = np.empty((count - 1, k + 1, *blocks.shape[1:3]))
        values[:, 0] = blocks[:-1, ..., -1]
        values[:, 1:] = np.moveaxis(blocks[1:], 3, 1)
        return values.reshape((count - 1, k + 1, *self.__dict__["shape"]))

    def __call__(self, t: np.ndarray) -> np.ndarray:
        if not kernels.pays("sample_panels", 1e-7 * self.__dict__["blocks"].size):
            return super().__call__(t)
        blocks, shape = self.__dict__["blocks"], self.__dict__["shape"]
        out = np.empty((len(t), blocks.shape[1], shape[-1]))
        kernels.sample_panels(self.breaks, blocks, self.theta, self._weights, np.ascontiguousarray(t), out)
        return out.reshape((len(t), *shape))


def solve(problem: Problem, solution: Solution) -> bool:
    """Solve as the plain method does; False, and nothing done, where there is no kernel for the problem."""
    tables = None if is_torch(problem.s0) else tables_of(problem.additive, len(solution.theta) - 1)
    if tables is None or not kernels.pays("solve_panels"):
        return False
    points = np.concatenate([problem.span[:1], problem.points, problem.span[1:]])
    bounds = kernels.segment_ends(points, longest_segment(problem.shortest_delay, tables.growth, problem.span))
    shape = tuple(problem.s0.shape)
    d, k = shape[-1], len(solution.theta) - 1
    start_value = problem.s0.reshape((-1, d))
    batch = len(start_value)
    room = len(bounds) + FIRST
    breaks, blocks = np.empty(room), np.empty((room, batch, d * k))
    breaks[0] = problem.span[0]
    blocks[0].reshape((batch, d, k))[..., -1] = start_value
    modes = np.array(start_value if tables.inverse is None else start_value @ tables.inverse.T, order="C")
    theta, weights = tables.nodes.theta, tables.weights
    at_nodes = NodeTable(theta, weights, tables.tail)
    close = 4 * EPS * max(abs(problem.span[0]), abs(problem.span[1]))
    most = max(1, MOST // (batch * d * k))
    count, segment, start, target, size = 0, 0, bounds[0], np.inf, FIRST
    try:
        while segment < len(bounds) - 1:
            size = min(size, most)
            with tables.lock:
                lengths = Lengths(tables.lengths, tables.known, close)
                plan = kernels.plan_panels(bounds, segment, start, target, size, lengths, theta)
                segments, starts, ends, places, tables.known, middle, nodes = plan
                if not len(starts):
                    tables.forget()
                    continue
                tables.build()
                equation = tables.equation()
            if count + len(starts) >= len(breaks):
                room = max(2 * len(breaks), count + len(starts) + 1)
                breaks, blocks = _longer(breaks, room, count), _longer(blocks, room, count)
            given = _inputs(problem, middle, nodes, batch), _history(problem, tables, middle, nodes, batch)
            done, status, target, error = kernels.solve_panels(
                Plan(bounds, segments, starts, ends, places, *given),
                Solved(breaks, blocks, modes),
                count,
                equation,
                at_nodes,
                Control(problem.span[0], target, problem.rtol, problem.atol),
            )
            rejected = status == REJECTED
            solution.evaluations += (done + rejected) * k
            solution.rejected += rejected
            if done:
                count, start, segment = count + done, ends[done - 1], segments[done - 1]
                segment += bool(start == bounds[segment + 1])
                solution.on_step(start)
            if status == DONE and done > MANY and error < 0.01:
                target = max(target, 2.0 * (ends[-1] - starts[-1]))  # rounding may be what holds the error: try
            size = FASTER * size if status == DONE else CAREFUL
            if rejected:
                last = blocks[count].reshape((batch, d, k))[..., -1]
                check_step((bounds[segment], bounds[segment + 1]), start, ends[done] - starts[done], last)
    finally:
        if count:
            solution.panels = Panels(breaks[: count + 1], theta, weights, blocks[: count + 1], shape)
    return True


def _longer(array: np.ndarray, room: int, count: int) -> np.ndarray:
    longer = np.empty((room, *array.shape[1:]))
    longer[: count + 1] = array[: count + 1]
    return longer


def _inputs(problem: Problem, middle: np.ndarray, nodes: np.ndarray, batch: int) -> np.ndarray:
    """The delayed inputs side by side at the nodes, (panels, 1 or batch, m, K)."""
    p, k = nodes.shape
    x, model = problem.x, problem.additive
    if x is None:
        return np.zeros((p, 1, len(model.input) * model.input_width, k))
    parts = [to_numpy(x.on_pieces(middle - term.delay, nodes - term.delay)) for term in model.input]
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    return _batched(values, problem.s0.shape[:-1], batch)


def _history(problem: Problem, tables: Tables, middle: np.ndarray, nodes: np.ndarray, batch: int) -> np.ndarray:
    """What the history adds to the forcing of the first panels, in the modes, (n, batch, d, K) flat in the end."""
    if not tables.terms_of or middle[0] - tables.delays[-1] >= problem.span[0]:
        return np.empty((0, batch, len(tables.bias) * nodes.shape[1]))
    known = [int(np.searchsorted(middle - delay, problem.span[0])) for delay in tables.delays]
    total = np.zeros((max(known, default=0), batch, len(tables.bias) * nodes.shape[1]))
    model, shape = problem.additive, (batch, len(tables.bias), nodes.shape[1])
    for n, (delay, warped, _), matrix in zip(known, tables.terms_of, tables.matrices, strict=True):
        if n:
            if isinstance(problem.history, Constant):
                past = problem.history.value[None, None]
            else:
                past = to_numpy(problem.history.on_pieces(middle[:n] - delay, nodes[:n] - delay))
            values: Any = (model.activation.value(past) if warped else past) @ matrix.T
            add = _batched(values, problem.s0.shape[:-1], batch)
            total[:n].reshape((n, *shape))[:, :, : add.shape[2]] += add
    return total


def _batched(values: np.ndarray, shape: tuple[int, ...], batch: int) -> np.ndarray:
    """Values (P, K, ..., n) as (P, 1 or batch, n, K)."""
    p, k, n = values.shape[0], values.shape[1], values.shape[-1]
    if values.size == p * k * n:
        return np.ascontiguousarray(values.reshape((p, k, n)).swapaxes(1, 2))[:, None]
    missing = (1,) * (len(shape) + 3 - values.ndim)
    values = values.reshape((p, k, *missing, *values.shape[2:]))
    values = np.broadcast_to(values, (p, k, *shape, n)).reshape((p, k, batch, n))
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))
