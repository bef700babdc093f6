"""K1 between two breaking points, and what a solution of it keeps: s and v side by side.  Uses: K1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, concatenate, einsum, stack
from ode2rnn.core.dense import Piecewise, interpolation_matrix
from ode2rnn.core.signal import Signal
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.rates import Known, Rates, exp, gated
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.solution import Solution

Function = Callable[[np.ndarray], Array]
# the fastest rate, over that of the whole range, that methods which step s meet: a lag below their tolerances
FASTEST = 1e12


@dataclass(frozen=True, eq=False)
class LSTMTrajectory(Trajectory):
    """A Trajectory of K1: r is the readout v, and ``readout(t)`` is its dense output.

    Where v jumps, its value is the one before the jump, as x[n] holds on (t[n-1], t[n]].
    """

    dense_v: Function | None = None

    def readout(self, t: Any) -> Array:
        """v at a time (..., d), or at times (T,), (T, ..., d).

        Raises:
            ValueError: a time outside the range.
        """
        return replace(self, dense=self.dense_v)(t)

    def signal(self) -> Signal:
        """v(t) as the input of another model, with its knots: a layer above this one."""
        return Solved(self.dense_v, self)


class Solved(Signal):
    """One half of a trajectory, s or v, as a function of time with its knots."""

    def __init__(self, dense: Any, trajectory: Trajectory) -> None:
        self.knots, self._dense = trajectory.knots, dense
        self.start, self.end = trajectory.start, trajectory.end

    def _values(self, t: np.ndarray) -> Array:
        return self._dense(t)

    def piece(self, a: float, b: float) -> Function:
        """The values between a and b, from inside at both ends."""
        return self._dense.piece(a, b)


class Sides:
    """Part of a dense output, at whose breaks the value from before is taken."""

    def __init__(self, whole: Piecewise, part: slice) -> None:
        self.whole, self.part = whole, part

    def __call__(self, t: np.ndarray) -> Array:
        breaks = self.whole.breaks
        slack = 1e-12 * max(1.0, abs(breaks[0]), abs(breaks[-1]))
        index = np.searchsorted(breaks, np.asarray(t) - slack, side="left") - 1
        return _on_panels(self.whole, np.clip(index, 0, len(breaks) - 2), t)[..., self.part]

    def piece(self, a: float, b: float) -> Function:
        """The values from a to b, where both may be breaks: from inside at both ends."""
        breaks, slack = self.whole.breaks, rounding(a, b)
        first = np.searchsorted(breaks, a + slack, side="right") - 1
        return self._between(first, np.searchsorted(breaks, b - slack, side="left") - 1)

    def since(self, a: float) -> Function:
        """The values from a on."""
        return self._between(np.searchsorted(self.whole.breaks, a, side="right") - 1, len(self.whole.breaks) - 2)

    def _between(self, first: Any, last: Any) -> Function:
        def values(t: np.ndarray) -> Array:
            index = np.clip(np.searchsorted(self.whole.breaks, t, side="right") - 1, first, last)
            return _on_panels(self.whole, index, t)[..., self.part]

        return values


def rounding(a: float, b: float) -> float:
    """How far a breaking point may be from a later one less the delay."""
    return 4 * float(np.finfo(float).eps) * max(abs(a), abs(b))


def _on_panels(whole: Piecewise, index: np.ndarray, t: np.ndarray) -> Array:
    left, right = whole.breaks[index], whole.breaks[index + 1]
    matrix = interpolation_matrix(whole.theta, whole._weights, (t - left) / (right - left))
    return einsum("tk,tk...->t...", as_like(matrix, whole.values), whole.values[index])


class Seen(NamedTuple):
    """What is known at some times: the part of the input, and s and v a delay before, None where there is none."""

    known: Known
    s: Array | None
    v: Array | None

    def after_first(self) -> Seen:
        """The same without the first time."""
        assert self.s is not None
        assert self.v is not None
        return Seen(Known(*(part[1:] for part in self.known)), self.s[1:], self.v[1:])


class LSTMSolution(Solution):
    """A Solution that keeps v beside s: the readout is added to every step that is appended, (K, ..., 2 d).

    Every step is kept with its place in its segment too: a layer of a fast unit may be too narrow to be told in t.
    """

    segment: LSTMSegment

    def __post_init__(self) -> None:
        super().__post_init__()
        self._places: list[tuple[float, float, float]] = []  # a of the segment, ends of the step counted from there

    def append(self, end: float, values: Array) -> None:
        """Add a step that ends at ``end``; values s (K, ..., d) at its nodes."""
        first, last = max(self.end - self.segment.a, 0.0), end - self.segment.a
        v = self.segment.readout(self.segment.look(first + (last - first) * self.theta), values)
        self.add(end, concatenate([values, v], axis=-1), first, last)

    def add(self, end: float, both: Array, first: float, last: float) -> None:
        """Add a step with s and v at its nodes, (K, ..., 2 d), and its ends counted from a."""
        super().append(end, both)
        self._places.append((self.segment.a, first, last))

    def piece(self, a: float, b: float) -> Function:
        """s and v on a stretch without a jump from a to b, as a function of the time since a."""
        breaks, slack = self._breaks[: len(self.values) + 1], rounding(a, b)
        last = int(np.searchsorted(breaks, b - slack, side="left"))
        first = int(np.searchsorted(breaks[:last], a - slack, side="left"))
        if first == last or breaks[first] > a + slack:
            first = max(0, first - 1)  # a is inside a step
        while first + 1 < last and breaks[first + 1] <= a + slack and self._places[first][0] < a - slack:
            first += 1  # of the narrow steps that end or begin at a, to the first that begins there
        origins, starts, ends = np.array(self._places[first:last]).T
        shift = origins - a
        shift[np.abs(shift) <= slack] = 0.0
        edges = np.append(shift + starts, shift[-1] + ends[-1])
        part = Piecewise(edges, self.theta, stack(self.values[first:last]))
        return Sides(part, slice(None)).since(0.0)


@dataclass(eq=False)
class LSTMProblem(Problem):
    """A Problem whose model is a ContinuousLSTM; ``history`` holds s and v side by side."""

    model: Any

    def segment(self, solution: Solution, a: float, b: float) -> Any:
        """The equation between two breaking points."""
        assert isinstance(solution, LSTMSolution)
        solution.segment = LSTMSegment(self, solution, a, b)
        return solution.segment


class LSTMSegment:
    """K1 between two breaking points a and b, for methods that step s; v follows from it.

    Times o are counted from a.
    """

    def __init__(self, problem: LSTMProblem, solution: LSTMSolution, a: float, b: float) -> None:
        self.a, self.b = a, b
        self._model: ContinuousLSTM = problem.model
        self._shape = tuple(problem.s0.shape)
        self._like, self._solution = problem.s0, solution
        self._fastest = math.log(FASTEST / (problem.span[1] - problem.span[0]))
        self._x = None if problem.x is None else problem.x.piece(a, b)
        self._past: Function | None = None
        tau = self._model.delay
        if tau:
            if 0.5 * (a + b) - tau >= problem.span[0]:
                self._past = solution.piece(a - tau, b - tau)
            else:
                history = problem.history.piece(a - tau, b - tau)
                self._past = lambda o: history(a - tau + o)

    def known(self, o: np.ndarray) -> Known:
        """What the input gives at the times (T,), each (T, ..., d)."""
        x = None if self._x is None else self._spread(self._x(self.a + o))
        shape = (len(o), *self._shape)
        return Known(*(broadcast_to(part, shape) for part in self._model.known(x)))

    def look(self, o: np.ndarray) -> Seen:
        """What is known at the times (T,): the input, and s and v a delay before, each (T, ..., d)."""
        self._solution.evaluations += len(o)
        if self._past is None:
            return Seen(self.known(o), None, None)
        d = self._shape[-1]
        both = broadcast_to(self._spread(self._past(o)), (len(o), *self._shape[:-1], 2 * d))
        return Seen(self.known(o), both[..., :d], both[..., d:])

    def forcing(self, t: np.ndarray) -> Array:
        """All that is known at the times t (T,), (T, ..., 2 d) or, where tau = 0, (T, ..., 4 d)."""
        seen = self.look(t - self.a)
        if seen.s is None:
            return concatenate(list(seen.known), axis=-1)
        kappa_s, drive = self._numbers(self.rates(seen))
        return concatenate([kappa_s, drive], axis=-1)

    def rate(self, forcing: Array, s: Array) -> Array:
        """ds/dt at states (..., d) for the forcing there."""
        d = s.shape[-1]
        if self._past is not None:
            return forcing[..., d:] - forcing[..., :d] * s
        known = Known(*(forcing[..., k * d : (k + 1) * d] for k in range(4)))
        kappa_s, drive = self._numbers(self._model.rates(known, s, self._model.present_readout(known, s)))
        return drive - kappa_s * s

    def _numbers(self, rates: Rates) -> tuple[Array, Array]:
        """kappa_s and kappa_u u; a unit faster than FASTEST is held where its rates hold it, at that rate."""
        excess = (rates.log_s - self._fastest).clip(min=0.0)
        return exp(rates.log_s - excess), exp(rates.log_u - excess) * rates.u

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""
        return self.rate(self.forcing(np.array([t]))[0], s)

    def rates(self, seen: Seen) -> Rates:
        """K2 where tau > 0."""
        return self._model.rates(seen.known, seen.s, seen.v)

    def readout(self, seen: Seen, s: Array) -> Array:
        """v for the states s (T, ..., d)."""
        if seen.v is None:
            return self._model.present_readout(seen.known, s)
        return gated(self._model.cell, seen.known, s, seen.v)

    def _spread(self, values: Array) -> Array:
        values = as_like(values, self._like)
        missing = len(self._shape) + 1 - values.ndim
        return values.reshape((values.shape[0], *(1,) * missing, *values.shape[1:])) if missing > 0 else values
