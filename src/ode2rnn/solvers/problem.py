"""What a method solves: the equation on one segment, with everything delayed already known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.terms import Term
from ode2rnn.core.arrays import Array, as_like, broadcast_to, stack, to_numpy
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.solvers.solution import Solution

Function = Callable[[np.ndarray], Array]


@dataclass(eq=False)
class Problem:
    """An initial value problem, checked: the model, its input, its past and its tolerances. Nobody changes it.

    Attributes:
        model: the equation: a Flow (C2), such as an AdditiveModel (C7).
        x: the input signal, or None.
        history: the state before t0.
        s0: the state at t0, (..., d).
        span: (t0, t1).
        points: breaking points strictly inside the span.
        rtol, atol: relative and absolute tolerance of adaptive methods.
        dt: step of fixed-step methods.
        samples: the times to keep, or None for the solver's own nodes.
        members: models for the first axis of the batch, where each has its own; all of the form of ``model``. Only
            solvers.ensemble takes these.
        facts: what methods have found out about it, so that it is found out once.
    """

    model: Flow
    x: Signal | None
    history: Signal
    s0: Array
    span: tuple[float, float]
    points: np.ndarray
    rtol: float
    atol: float
    dt: float | None
    samples: np.ndarray | None = None
    members: tuple[AdditiveModel, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def segments(self, longest: float = np.inf) -> Iterator[tuple[float, float]]:
        """The intervals between breaking points, cut into equal parts no longer than ``longest``."""
        for a, b in pairwise([self.span[0], *self.points.tolist(), self.span[1]]):
            parts = max(1, int(np.ceil((b - a) / longest - 1e-9)))
            for n in range(parts):
                yield a + (b - a) * (n / parts), b if n + 1 == parts else a + (b - a) * ((n + 1) / parts)

    def segment(self, solution: Solution, a: float, b: float) -> Segment:
        """The equation between two breaking points, with everything delayed already known."""
        usual = AdditiveSegment if self.is_additive else FlowSegment
        return (solution.segments or usual)(self, solution, a, b)

    @property
    def is_additive(self) -> bool:
        """Whether the model is an AdditiveModel, for which there are methods of its own."""
        return isinstance(self.model, AdditiveModel)

    @property
    def additive(self) -> AdditiveModel:
        """The model, where it is an AdditiveModel."""
        assert isinstance(self.model, AdditiveModel)
        return self.model

    @property
    def shortest_delay(self) -> float:
        """The smallest positive delay; infinity for an ordinary equation."""
        return min(self.model.delays, default=np.inf)

    def past(self, solution: Solution, a: float, b: float, delay: float) -> Function:
        """s a delay before the times between a and b, as a function of those earlier times."""
        if 0.5 * (a + b) - delay >= self.span[0]:
            return solution
        first, last = self.span[0] - max(self.model.delays), self.span[0]
        piece = self.history.piece(a - delay, b - delay)
        return lambda t: piece(np.clip(t, first, last))  # no function is called where the caller did not say

    def aligned(self, values: Array) -> Array:
        """Values (T, ..., n) of fewer batch axes than s, with axes of length 1 in their place."""
        missing = self.s0.ndim + 1 - values.ndim
        return values.reshape((values.shape[0], *(1,) * missing, *values.shape[1:])) if missing > 0 else values


class Segment(Protocol):
    """The equation between two breaking points a and b, where all that is delayed is known and smooth.

    ``forcing(t)`` looks up what is known at many times (T,) at once: the delayed states, the input. An entry of it is
    what is known at one time. ``panel`` says that the times are all but the first node of a step with these ends.
    """

    a: float
    b: float

    def forcing(self, t: np.ndarray, panel: tuple[float, float] | None = None) -> Any:
        """What is known at the times (T,)."""

    def rate(self, forcing: Any, s: Array) -> Array:
        """ds/dt at states (..., d) for what is known there, at one time or at each of them, (T, ..., d)."""

    def jacobian(self, forcing: Any, s: Array) -> Array:
        """d rate / d s at such states, (..., d, d)."""

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""

    def jacobian_at(self, t: float, s: Array) -> Array:
        """d rate / d s at one time."""


class AdditiveSegment:
    """C7 on a segment: ds/dt = A s + B G(s) + forcing(t).

    A and B are the undelayed matrices. The forcing (T, ..., d) holds the delayed states and readouts, the input, the
    bias.
    """

    def __init__(self, problem: Problem, solution: Solution, a: float, b: float) -> None:
        model = problem.additive
        self.a, self.b = a, b
        self.linear: Term | None = model.undelayed("state")
        self.feedback: Term | None = model.undelayed("readout")
        self._activation = model.activation
        self._phi = model.phi
        self._shape = tuple(problem.s0.shape)
        self._problem, self._solution = problem, solution
        past = {delay: problem.past(solution, a, b, delay) for delay in model.delays}
        self._delayed = [
            (term, past[term.delay], warped)
            for warped, terms in ((False, model.state), (True, model.readout))
            for term in terms
            if term.delay > 0
        ]
        self._inputs: list[tuple[Term, Function]] = []
        if problem.x is not None:
            self._inputs = [(term, problem.x.piece(a - term.delay, b - term.delay)) for term in model.input]

    def forcing(self, t: np.ndarray, panel: tuple[float, float] | None = None) -> Array:
        """All that is known at the times (T,), as (T, ..., d)."""
        self._solution.evaluations += len(t)
        total = broadcast_to(self._phi, (len(t), *self._shape))
        for term, past, warped in self._delayed:
            same = None
            if panel is not None and past is self._solution:
                same = self._solution.shifted(panel[0] - term.delay, panel[1] - term.delay)
            values = as_like(past(t - term.delay), self._phi) if same is None else same[1:]
            values = self._activation.value(values) if warped else values
            total = total + self._problem.aligned(term.apply(values))
        for term, signal in self._inputs:
            total = total + self._problem.aligned(term.apply(as_like(signal(t - term.delay), self._phi)))
        return total

    def rate(self, forcing: Array, s: Array) -> Array:
        """ds/dt at states (..., d) for the forcing there."""
        total = forcing
        if self.linear is not None:
            total = total + self.linear.apply(s)
        if self.feedback is not None:
            total = total + self.feedback.apply(self._activation.value(s))
        return total

    def jacobian(self, forcing: Array, s: Array) -> Array:
        """A + B diag G'(s) at states (..., d), whatever the forcing, (..., d, d)."""
        total = as_like(np.zeros((*s.shape, s.shape[-1])), self._phi)
        if self.linear is not None:
            total = total + self.linear.dense()
        if self.feedback is not None:
            total = total + self.feedback.dense() * self._activation.slope(s)[..., None, :]
        return total

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""
        return self.rate(self.forcing(np.array([t]))[0], s)

    def jacobian_at(self, t: float, s: Array) -> Array:
        """d rate / d s at one time."""
        return self.jacobian(None, s)


class Known(NamedTuple):
    """What a flow is given beside s: times, the past and the input, (T, ..., n); or all at one time."""

    t: Any
    past: tuple[Array, ...]
    x: Array | None

    def at(self, k: int) -> Known:
        """What is known at the k-th time."""
        return Known(float(self.t[k]), tuple(p[k] for p in self.past), None if self.x is None else self.x[k])


class Times:
    """What is known at several times: an entry for each, and all of it at once as ``together``."""

    def __init__(self, together: Known) -> None:
        self.together = together

    def __len__(self) -> int:
        return len(self.together.t)

    def __getitem__(self, k: int) -> Known:
        return self.together.at(k)


class FlowSegment:
    """Any other flow on a segment: ds/dt = f(t, s(t), past, x(t))   (C2)."""

    def __init__(self, problem: Problem, solution: Solution, a: float, b: float) -> None:
        self.a, self.b = a, b
        self._flow, self._problem, self._solution = problem.model, problem, solution
        self._past = [(delay, problem.past(solution, a, b, delay)) for delay in problem.model.delays]
        self._x = None if problem.x is None else problem.x.piece(a, b)

    def forcing(self, t: np.ndarray, panel: tuple[float, float] | None = None) -> Times:
        """What is known at the times (T,): the past and the input."""
        self._solution.evaluations += len(t)
        t = np.clip(t, self.a, self.b)  # rounding takes no function out of its range
        x = None if self._x is None else self._spread(self._x(t))
        return Times(Known(t, tuple(self._spread(past(t - delay)) for delay, past in self._past), x))

    def rate(self, forcing: Times | Known, s: Array) -> Array:
        """ds/dt at states (..., d) for what is known there."""
        return self._each(forcing, s, self._rate)

    def jacobian(self, forcing: Times | Known, s: Array) -> Array:
        """d rate / d s at states (..., d), (..., d, d)."""
        return self._each(forcing, s, self._jacobian)

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""
        return self._rate(self.forcing(np.array([t]))[0], s)

    def jacobian_at(self, t: float, s: Array) -> Array:
        """d rate / d s at one time."""
        return self._jacobian(self.forcing(np.array([t]))[0], s)

    def _rate(self, known: Known, s: Array) -> Array:
        return self._flow.rate(known.t, s, known.past, known.x)

    def _jacobian(self, known: Known, s: Array) -> Array:
        d = s.shape[-1]
        past = tuple(p[..., None, :] for p in known.past)
        x = None if known.x is None else known.x[..., None, :]
        t = known.t if isinstance(known.t, float) else known.t[..., None]
        along = broadcast_to(as_like(np.eye(d), s), (*s.shape, d))
        moved = self._flow.rate_jvp(t, s[..., None, :], past, x, along)
        return broadcast_to(moved, (*s.shape, d)).swapaxes(-1, -2)

    def _each(self, forcing: Times | Known, s: Array, function: Callable[[Known, Array], Array]) -> Array:
        """The values at one time, or at every time: at once where the flow takes many times, found out once."""
        if isinstance(forcing, Known):
            return function(forcing, s)
        facts, shared = self._problem.facts, forcing.together
        column = shared._replace(t=as_like(shared.t, s).reshape((len(shared.t),) + (1,) * (s.ndim - 1)))
        if facts.get("many times"):
            return function(column, s)
        values = stack([function(forcing[k], s[k]) for k in range(len(s))])
        if "many times" not in facts and function == self._rate:
            facts["many times"] = self._takes_many(column, s, values)
        return values

    def _takes_many(self, column: Known, s: Array, rates: Array) -> bool:
        """Whether the rates of many times, called for at once, are what they are one by one."""
        try:
            found = self._rate(column, s)
        except Exception:  # whatever a function raises that was written for one time
            return False
        once, each = to_numpy(found), to_numpy(rates)
        if once.shape != each.shape or not np.isfinite(each).all():
            return False
        return bool((np.abs(once - each) <= 1e-12 * np.abs(each).max()).all())

    def _spread(self, values: Array) -> Array:
        return self._problem.aligned(as_like(values, self._problem.s0))


def step_ends(a: float, b: float, dt: float) -> np.ndarray:
    """Ends of the equal steps from a to b, of length dt, or less where dt does not divide b - a."""
    steps = max(1, int(np.ceil((b - a) / dt - 1e-9)))
    return np.linspace(a, b, steps + 1)[1:]
