"""Run a compiled stepper over one trajectory: keep the polynomials of all steps, or of a long run the samples alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ode2rnn.kernels.steps.records import NetworkEquation, Tableau
from ode2rnn.solvers.explicit.network import Network
from ode2rnn.solvers.explicit.packing import padded
from ode2rnn.solvers.explicit.polynomials import FAR, Polynomials, Steps
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.sampled_dense import SampledSteps
from ode2rnn.solvers.solution import Solution

FIRST_BUFFER = 512  # steps; what stays unused costs nothing
MOST_GROWTH = 16  # of a buffer, at once
CHUNK_BYTES = 2**19  # of polynomials that are used and forgotten: they stay in the cache
NO_NODES = np.zeros(0)
FULL, DONE = 0, 1  # a kernel's status where its buffer was full, and at the end


@dataclass(eq=False)
class Stepper:
    """A kernel that takes steps, for one trajectory of a problem.

    Attributes:
        steps: the kernel; it returns the number of steps taken and its status.
        method: the order, or the tableau.
        powers: coefficients of a polynomial.
        stages: evaluations of the right-hand side in a step that is accepted, and in a rejected one.
        vectors: how many vectors the kernel goes on from, of which the state is the first.
        problem, network: what is solved.
        s0: the start (d,).
        member: which trajectory of the batch this is.
        first: length of the first step; 0 where the kernel finds one.
    """

    steps: Callable[..., tuple[int, int]]
    method: int | Tableau
    powers: int
    stages: tuple[int, int]
    vectors: int
    problem: Problem
    network: Network
    s0: np.ndarray
    member: int
    first: float

    def run(self, solution: Solution) -> Steps:
        """The steps until the end, or until no step is small enough; ``solution`` is told about progress and cost.

        Where samples are asked for and there are more steps than the first buffer holds, the samples alone are kept:
        new memory for the polynomials would cost more time than the polynomials. They are computed again when
        something between the samples is asked for.
        """
        width = padded(len(self.s0))
        cursor, state = self._start(width)
        breaks, out = np.empty(FIRST_BUFFER + 1), np.empty((FIRST_BUFFER, self.powers, width))
        breaks[0] = self.problem.span[0]
        count, status = self._go_on(cursor, state, breaks, out)
        solution.on_step(breaks.item(count))
        if status == FULL and self.problem.samples is not None:
            sampled = self._samples(solution, cursor, state, breaks, out)
            if sampled is not None:
                return sampled
            cursor, state = self._start(width)
            breaks[0] = self.problem.span[0]
            count, status = self._go_on(cursor, state, breaks, out)
        while status == FULL:
            if count == len(out):  # room for the rest at the pace so far; what stays unused costs no memory
                start, end = self.problem.span
                share = (breaks[count] - start) / (end - start)
                room = count + int(min(max(1.1 * count * (1.0 / share - 1.0), FIRST_BUFFER), MOST_GROWTH * count))
                breaks, out = _longer(breaks, room + 1, count + 1), _longer(out, room, count)
            stop = min(len(out), 2 * count)  # from time to time progress is told
            n, status = self._go_on(cursor, state, breaks[count : stop + 1], out[count:stop])
            count += n
            solution.on_step(breaks.item(count))
        self._tell(solution, count, cursor)
        return Polynomials(breaks[: count + 1], out[:count], len(self.s0))

    def _start(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        state = np.zeros(self.vectors * width)
        state[: len(self.s0)] = self.s0
        return np.array((self.problem.span[0], self.first, 0.0, 0.0, 1.0)), state

    def _go_on(self, cursor: np.ndarray, state: np.ndarray, breaks: np.ndarray, out: np.ndarray) -> tuple[int, int]:
        return self.steps(self.equation, self.method, cursor, state, breaks, out)

    @cached_property
    def equation(self) -> NetworkEquation:
        """The network with its input as the kernel takes it."""
        network, problem = self.network, self.problem
        known = network.code, network.linear, network.columns, network.readout, network.C, network.phi
        return NetworkEquation(*known, *network.data, self.member, problem.rtol, problem.atol)

    def _tell(self, solution: Solution, count: int, cursor: np.ndarray) -> None:
        rejected = int(cursor[3])
        solution.rejected += rejected
        solution.evaluations += self.stages[0] * count + self.stages[1] * rejected

    def _samples(
        self, solution: Solution, cursor: np.ndarray, state: np.ndarray, breaks: np.ndarray, out: np.ndarray
    ) -> SampledSteps | None:
        """Go on from a full buffer, which is used again and again; None for a run that stops or nears overflow."""
        samples, d = self.problem.samples, len(self.s0)
        assert samples is not None
        states, known, count, n, status = np.empty((len(samples), d)), 0, 0, len(out), FULL
        chunk = max(16, min(len(out), CHUNK_BYTES // out[0].nbytes))
        while True:
            count += n
            last = out[n - 1]
            if n == 0 or status < FULL or not np.vdot(last, last) < FAR:
                return None
            reached = len(samples) if status == DONE else int(samples.searchsorted(breaks[n], "right"))
            if reached > known:
                states[known:reached] = Polynomials(breaks[: n + 1], out[:n], d)(samples[known:reached])
                known = reached
            if status == DONE:
                break
            breaks[0] = breaks[n]
            n, status = self._go_on(cursor, state, breaks[: chunk + 1], out[:chunk])
            solution.on_step(breaks.item(n))
        self._tell(solution, count, cursor)
        return SampledSteps(samples, states, self._everywhere, end=breaks.item(n), steps=count)

    def _everywhere(self) -> Steps:
        whole = replace(self, problem=replace(self.problem, samples=None))
        return whole.run(Solution(self.problem.span[0], NO_NODES))


def _longer(array: np.ndarray, room: int, count: int) -> np.ndarray:
    longer = np.empty((room, *array.shape[1:]))
    longer[:count] = array[:count]
    return longer
