"""Run a compiled stepper over one trajectory, with buffers that grow with the number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.kernels.panels import padded
from ode2rnn.solvers.network import Network
from ode2rnn.solvers.polynomials import Polynomials
from ode2rnn.solvers.problem import Problem, Solution

FIRST_BUFFER = 512  # steps; what stays unused costs nothing
MOST_GROWTH = 16  # of a buffer, at once


def take_steps(
    steps: Callable[..., tuple[int, int]],
    method: tuple[Any, ...],
    powers: int,
    stages: tuple[int, int],
    problem: Problem,
    network: Network,
    s0: np.ndarray,
    lane: int,
    first: float,
    solution: Solution,
) -> Polynomials:
    """The polynomials of all steps until the end, or until no step is small enough.

    Args:
        steps: the kernel; it returns the number of steps taken and 0 where the buffer was full.
        method: its first arguments, after the activation.
        powers: coefficients of a polynomial.
        stages: evaluations of the right-hand side in a step that is accepted, and in a rejected one.
        s0: the start (d,).
        lane: which trajectory of the batch this is.
        first: length of the first step; 0 where the kernel finds one.
        solution: told about progress and cost.
    """
    data, width = network.data, padded(len(s0))
    state = np.zeros(width)
    state[: len(s0)] = s0
    start, end = problem.span
    cursor = np.array((start, first, 0.0, 0.0, 1.0))
    breaks, out = np.empty(FIRST_BUFFER + 1), np.empty((FIRST_BUFFER, powers, width))
    breaks[0] = start
    count, full = 0, True
    while full:
        if count == len(out):  # room for the rest of the range at the pace so far; what stays unused costs no memory
            share = (breaks[count] - start) / (end - start)
            room = count + int(min(max(1.1 * count * (1.0 / share - 1.0), FIRST_BUFFER), MOST_GROWTH * count))
            breaks, out = _longer(breaks, room + 1, count + 1), _longer(out, room, count)
        stop = min(len(out), max(FIRST_BUFFER, 2 * count))  # from time to time progress is told
        n, status = steps(
            network.code,
            *method,
            network.linear,
            network.columns,
            network.readout,
            network.C,
            network.phi,
            data.edges,
            data.pieces,
            data.omega,
            data.sine,
            data.cosine,
            lane,
            problem.rtol,
            problem.atol,
            cursor,
            state,
            breaks[count : stop + 1],
            out[count:stop],
        )
        full = status == 0
        count += n
        solution.on_step(breaks.item(count))
    rejected = int(cursor[3])
    solution.rejected += rejected
    solution.evaluations += stages[0] * count + stages[1] * rejected
    return Polynomials(breaks[: count + 1], out[:count], len(s0))


def _longer(array: np.ndarray, room: int, count: int) -> np.ndarray:
    longer = np.empty((room, *array.shape[1:]))
    longer[:count] = array[:count]
    return longer
