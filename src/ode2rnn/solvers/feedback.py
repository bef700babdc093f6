"""A flow between two breaking points whose later times see a readout v beside s, and what a solution of it keeps.

Uses: C2, K1.  The past that the flow is given is (s, v) side by side. v(t) depends on v(t - tau) directly, so its jumps
and kinks come back undamped after every delay: they are breaking points for ever. Where v jumps, its value is the one
before the jump, as x[n] holds on (t[n-1], t[n]].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, concatenate, einsum, stack, times_like
from ode2rnn.core.dense import Piecewise, interpolation_matrix
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.relaxation import Relaxation
from ode2rnn.core.trajectory import Stats, Trajectory
from ode2rnn.solvers.problem import Known, Problem, Times
from ode2rnn.solvers.solution import Solution

Function = Callable[[np.ndarray], Array]
# the fastest rate, over that of the whole range, that methods which step s meet: a lag below their tolerances
FASTEST = 1e12
THETA = np.array([0.0, 1.0])


class SolvedSignal(Signal):
    """One half of a trajectory, s or v, as a function of time with its knots."""

    def __init__(self, dense: Sides, trajectory: Trajectory) -> None:
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
        first = int(np.searchsorted(breaks, a + slack, side="right")) - 1
        return self._between(first, int(np.searchsorted(breaks, b - slack, side="left")) - 1)

    def since(self, a: float) -> Function:
        """The values from a on."""
        return self._between(int(np.searchsorted(self.whole.breaks, a, side="right")) - 1, len(self.whole.breaks) - 2)

    def _between(self, first: int, last: int) -> Function:
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


class FeedbackSolution(Solution):
    """A Solution that keeps v beside s: the readout is added to every step that is appended, (K, ..., 2 d).

    Every step is kept with its place in its segment too: a layer of a fast unit may be too narrow to be told in t.
    """

    segment: FeedbackSegment

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


class FeedbackSegment:
    """The flow between two breaking points a and b, for methods that step s; v follows from it.

    Times o are counted from a.
    """

    def __init__(self, problem: Problem, solution: FeedbackSolution, a: float, b: float) -> None:
        self.a, self.b = a, b
        self._flow, self._problem, self._solution = problem.model, problem, solution
        self._shape = tuple(problem.s0.shape)
        self._fastest = math.log(FASTEST / (problem.span[1] - problem.span[0]))
        self._x = None if problem.x is None else problem.x.piece(a, b)
        self._past: Function | None = None
        solution.segment = self
        for tau in problem.model.delays:  # one, as ContinuousLSTM has
            if 0.5 * (a + b) - tau >= problem.span[0]:
                self._past = solution.piece(a - tau, b - tau)
            else:
                self._past = _since(a - tau, problem.history.piece(a - tau, b - tau))

    def look(self, o: np.ndarray) -> Known:
        """What is known at the times (T,): the input, and s and v a delay before, (T, ..., 2 d)."""
        self._solution.evaluations += len(o)
        x = None if self._x is None else self._spread(self._x(self.a + o))
        if self._past is None:
            return Known(self.a + o, (), x)
        width = self._flow.width + self._flow.feedback_width
        both = broadcast_to(self._spread(self._past(o)), (len(o), *self._shape[:-1], width))
        return Known(self.a + o, (both,), x)

    def relaxation(self, seen: Known) -> Relaxation:
        """The relaxation at the times that were looked at, from the past and the input alone."""
        zero = as_like(np.zeros((len(seen.t), *self._shape)), self._problem.s0)
        found = self._flow.relaxation(zero, seen.past, seen.x)
        assert found is not None  # the method "spectral" is for these alone
        return Relaxation(*(broadcast_to(part, tuple(zero.shape)) for part in found))

    def forcing(self, t: np.ndarray, panel: tuple[float, float] | None = None) -> Array | Times:
        """What is known at the times t (T,); with delays the numbers of the relaxation, (T, ..., 2 d)."""
        seen = self.look(t - self.a)
        if self._past is None or not self._problem.facts.get("relaxes", True):
            return Times(seen)
        kappa_s, drive = self._numbers(self.relaxation(seen))
        return concatenate([kappa_s, drive], axis=-1)

    def rate(self, forcing: Array | Known, s: Array) -> Array:
        """ds/dt at states (..., d) for the forcing there."""
        if isinstance(forcing, Known):
            found = self._flow.relaxation(s, forcing.past, forcing.x)
            if found is None:
                return self._flow.rate(forcing.t, s, forcing.past, forcing.x)
            kappa_s, drive = self._numbers(found)
            return drive - kappa_s * s
        d = s.shape[-1]
        return forcing[..., d:] - forcing[..., :d] * s

    def _numbers(self, rates: Relaxation) -> tuple[Array, Array]:
        """kappa_s and kappa_u u; a unit faster than FASTEST is held where its rates hold it, at that rate."""
        excess = (rates.log_s - self._fastest).clip(min=0.0)
        fast, slow = rates.log_s - excess, rates.log_u - excess
        exponent = _exp(fast), _exp(slow)
        return exponent[0], exponent[1] * rates.u

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""
        return self.rate(self.forcing(np.array([t]))[0], s)

    def readout(self, seen: Known, s: Array) -> Array:
        """v for the states s (T, ..., d)."""
        return self._flow.feedback(0.0, s, seen.past, seen.x)

    def _spread(self, values: Array) -> Array:
        return self._problem.aligned(as_like(values, self._problem.s0))


FeedbackSolution.segments = FeedbackSegment


def relaxes(problem: Problem) -> bool:
    """Whether the rate is a relaxation of its units, found out once."""
    if "relaxes" not in problem.facts:
        first = next(problem.segments(longest=problem.shortest_delay))
        start = FeedbackSegment(problem, FeedbackSolution(problem.span[0], THETA), *first)
        seen = start.look(np.zeros(1))
        problem.facts["relaxes"] = problem.model.relaxation(problem.s0[None], seen.past, seen.x) is not None
    return bool(problem.facts["relaxes"])


def _since(a: float, function: Function) -> Function:
    """The function of the time since a."""
    return lambda o: function(a + o)


def _exp(a: Array) -> Array:
    return np.exp(a) if isinstance(a, np.ndarray) else a.exp()


def trajectory_of(problem: Problem, solution: FeedbackSolution, stats: Stats) -> Trajectory:
    """The Trajectory of a solution: r is v, and ``readout(t)`` its dense output."""
    if not solution.steps:  # the first step failed: s(t0) and v(t0) are all that is valid
        start, s0 = np.array(problem.span[:1]), problem.s0[None]
        segment = solution.segment
        v0 = segment.readout(segment.look(np.zeros(1)), s0)
        return Trajectory(times_like(start, s0), s0, v0, None if problem.x is None else problem.x(start), stats)
    whole, d = solution.piecewise(), problem.model.width
    dense, shown = Sides(whole, slice(None, d)), Sides(whole, slice(d, None))
    samples = problem.samples
    if samples is None:
        times = np.unique(whole.nodes()[0])
    else:
        times = samples[samples <= solution.end + 1e-12 * abs(solution.end)]
    s = dense(times)
    x = None if problem.x is None else problem.x(times)
    knots = np.concatenate([problem.span[:1], problem.points])
    span = (problem.span[0], solution.end)
    return Trajectory(times_like(times, s), s, shown(times), x, stats, dense=dense, knots=knots, span=span, shown=shown)
