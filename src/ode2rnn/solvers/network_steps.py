"""Run a compiled stepper over one trajectory, with buffers that grow with the number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.kernels.panels import padded
from ode2rnn.solvers.network import Network
from ode2rnn.solvers.polynomials import Polynomials
from ode2rnn.solvers.problem import Problem, Solution

FIRST_BUFFER = 256  # steps


def take_steps(
    steps: Callable[..., tuple[int, int]],
    method: tuple[Any, ...],
    powers: int,
    stages: int,
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
        stages: evaluations of the right-hand side in a step.
        s0: the start (d,).
        lane: which trajectory of the batch this is.
        first: length of the first step; 0 where the kernel finds one.
        solution: told about progress and cost.
    """
    data, width = network.data, padded(len(s0))
    state = np.zeros(width)
    state[: len(s0)] = s0
    cursor = np.array([problem.span[0], first, 0.0, 0.0, 1.0])
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    capacity, full = FIRST_BUFFER, True
    while full:
        breaks, out = np.empty(capacity + 1), np.empty((capacity, powers, width))
        breaks[0] = cursor[0]
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
            breaks,
            out,
        )
        full = status == 0
        parts.append((breaks[: n + 1], out[:n]))
        solution.on_step(float(breaks[n]))
        capacity *= 2
    breaks, coefficients = parts[0]
    if len(parts) > 1:
        breaks = np.concatenate([breaks, *(part[0][1:] for part in parts[1:])])
        coefficients = np.concatenate([part[1] for part in parts])
    solution.rejected += int(cursor[3])
    solution.evaluations += stages * (len(coefficients) + int(cursor[3]))
    return Polynomials(breaks, coefficients, len(s0))
