"""What a method solves: the equation on one segment, with everything delayed already known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.terms import Term
from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, all_finite, as_like, broadcast_to, concatenate, einsum, is_torch, stack, to_numpy
from ode2rnn.core.dense import Piecewise, barycentric_weights, interpolation_matrix
from ode2rnn.core.signal import Signal

# beyond this share of the largest number a state has left the finite ones; closer to it rounding can hold it there
HUGE = 1e-4

# a method that needs steps this small, in shares of a segment, does not get to its end
SMALLEST_SHARE = 1e-15

Function = Callable[[np.ndarray], Array]

FEW = 4  # steps up to which a product for each costs less than to gather the values of all


class StepError(Exception):
    """A method could not go on; what it had solved so far stays in the Solution."""


@dataclass
class Solution:
    """The solution so far: one polynomial a step, by its values at the relative nodes ``theta``.

    A method that solves many steps in one call leaves them together in ``panels``, or as a dense output of
    another form in ``whole``, and ``values`` empty.
    """

    t0: float
    theta: np.ndarray
    on_step: Callable[[float], None] = lambda t: None
    evaluations: int = 0
    rejected: int = 0
    values: list[Array] = field(default_factory=list)
    whole: Any = None
    panels: Piecewise | None = None

    def __post_init__(self) -> None:
        self._adopted = (self.t0, 0)

    @cached_property
    def _breaks(self) -> np.ndarray:
        return np.array([self.t0])

    @cached_property
    def _weights(self) -> np.ndarray:
        return barycentric_weights(self.theta)

    @property
    def end(self) -> float:
        """The time reached."""
        if self.whole is not None:
            return self._adopted[0]
        return float(self._breaks[len(self.values)] if self.panels is None else self.panels.breaks[-1])

    def adopt(self, whole: Any, end: float, steps: int) -> None:
        """Take a dense output of another form, made at once, for the whole solution up to ``end``."""
        self.whole, self._adopted = whole, (end, steps)

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        if self.whole is not None:
            return self._adopted[1]
        return len(self.values) if self.panels is None else len(self.panels.breaks) - 1

    def append(self, end: float, values: Array) -> None:
        """Add a step that ends at ``end``; values (K, ..., d) at its nodes.

        Raises:
            StepError: values that are not finite; nothing is added.
        """
        check_finite(values, self.end)
        self.values.append(values)
        if len(self.values) >= len(self._breaks):
            self._breaks = np.concatenate([self._breaks, np.empty(max(len(self._breaks), 64))])
        self._breaks[len(self.values)] = end
        self.on_step(end)

    def extend(self, ends: np.ndarray, values: Array) -> None:
        """Add several steps, values (P, K, ..., d)."""
        for end, step in zip(ends, values, strict=True):
            self.append(float(end), step)

    def shifted(self, start: float, end: float) -> Array | None:
        """The values at the nodes (K, ..., d) of the step from ``start`` to ``end``, if there is one."""
        i = int(np.searchsorted(self._breaks[: len(self.values)], 0.5 * (start + end))) - 1
        if i < 0:
            return None
        slack = max(1e-12 * (end - start), 4 * np.finfo(float).eps * max(abs(start), abs(end)))
        same = abs(self._breaks[i] - start) <= slack and abs(self._breaks[i + 1] - end) <= slack
        return self.values[i] if same else None

    def __call__(self, t: np.ndarray) -> Array:
        """s at times (T,) in the part that is solved, (T, ..., d)."""
        breaks = self._breaks[: len(self.values) + 1]
        index = np.clip(np.searchsorted(breaks, t, side="right") - 1, 0, len(self.values) - 1)
        at = (t - breaks[index]) / (breaks[index + 1] - breaks[index])
        matrix = interpolation_matrix(self.theta, self._weights, at)
        first = index[0]
        if (index == first).all():
            return _combine(matrix, self.values[first])
        steps, index = np.unique(index, return_inverse=True)
        if len(steps) <= FEW and (np.diff(index) >= 0).all():
            return concatenate([_combine(matrix[index == n], self.values[i]) for n, i in enumerate(steps)])
        values = stack([self.values[i] for i in steps])
        return einsum("tk,tk...->t...", as_like(matrix, values), values[index])

    def cut(self, activation: Activation) -> None:
        """Keep the steps before the first one whose readout is not finite."""
        if self.panels is not None:
            self._breaks, self.values, self.panels = self.panels.breaks, list(self.panels.values), None
        finite = [all_finite(activation.value(values)) for values in self.values]
        if not all(finite):
            del self.values[finite.index(False) :]

    def piecewise(self) -> Piecewise:
        """The whole as one dense output."""
        if self.panels is not None:
            return self.panels
        return Piecewise(self._breaks[: len(self.values) + 1].copy(), self.theta, stack(self.values))


def _combine(matrix: np.ndarray, values: Array) -> Array:
    flat = values.reshape((values.shape[0], -1))
    return (as_like(matrix, values) @ flat).reshape((len(matrix), *values.shape[1:]))


@dataclass(eq=False)
class Problem:
    """An initial value problem, checked: the model, its input, its past and its tolerances. Nobody changes it.

    Attributes:
        model: the equation (C7).
        x: the input signal, or None.
        history: the state before t0.
        s0: the state at t0, (..., d).
        span: (t0, t1).
        points: breaking points strictly inside the span.
        rtol, atol: relative and absolute tolerance of adaptive methods.
        dt: step of fixed-step methods.
        samples: the times to keep, or None for the solver's own nodes.
        members: models for the first axis of the batch, where each has its own; all of the form of ``model``. Only
            the lanes of solvers.ensemble take these.
        facts: what methods have found out about it, so that it is found out once.
    """

    model: AdditiveModel
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
        return Segment(self, solution, a, b)

    @property
    def shortest_delay(self) -> float:
        """The smallest positive delay; infinity for an ordinary equation."""
        return min(self.model.delays, default=np.inf)


class Segment:
    """The equation between two breaking points a and b: ds/dt = A s + B G(s) + forcing(t).

    A and B are the undelayed matrices. The forcing holds all that is known there: delayed states and
    readouts, the input, the bias. It is smooth on the segment and is evaluated at many times at once.
    """

    def __init__(self, problem: Problem, solution: Solution, a: float, b: float) -> None:
        model = problem.model
        self.a, self.b = a, b
        self.linear: Term | None = model.undelayed("state")
        self.feedback: Term | None = model.undelayed("readout")
        self._activation = model.activation
        self._phi = model.phi
        self._shape = tuple(problem.s0.shape)
        self._solution = solution
        past: dict[float, Function] = {}
        for delay in model.delays:
            before = 0.5 * (a + b) - delay < problem.span[0]
            past[delay] = problem.history.piece(a - delay, b - delay) if before else solution
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
        """All that is known at the times (T,), as (T, ..., d); panel: the times are all but the first node of a step
        of the solution with these ends.
        """
        self._solution.evaluations += len(t)
        total = broadcast_to(self._phi, (len(t), *self._shape))
        for term, past, warped in self._delayed:
            same = None
            if panel is not None and past is self._solution:
                same = self._solution.shifted(panel[0] - term.delay, panel[1] - term.delay)
            values = as_like(past(t - term.delay), self._phi) if same is None else same[1:]
            total = total + self._aligned(term.apply(self._activation.value(values) if warped else values))
        for term, signal in self._inputs:
            total = total + self._aligned(term.apply(as_like(signal(t - term.delay), self._phi)))
        return total

    def _aligned(self, values: Array) -> Array:
        # a known part without the batch axes of the others: put them in, so that it broadcasts
        missing = len(self._shape) + 1 - values.ndim
        return values.reshape((values.shape[0], *(1,) * missing, *values.shape[1:])) if missing > 0 else values

    def rate(self, forcing: Array, s: Array) -> Array:
        """ds/dt at states (..., d) for the forcing there."""
        total = forcing
        if self.linear is not None:
            total = total + self.linear.apply(s)
        if self.feedback is not None:
            total = total + self.feedback.apply(self._activation.value(s))
        return total

    def rate_at(self, t: float, s: Array) -> Array:
        """ds/dt at one time."""
        return self.rate(self.forcing(np.array([t]))[0], s)

    def jacobian(self, s: np.ndarray) -> np.ndarray:
        """d rate / d s at states (..., d), (..., d, d)."""
        d = s.shape[-1]
        total = np.zeros((*s.shape[:-1], d, d))
        if self.linear is not None:
            total = total + to_numpy(self.linear.dense())
        if self.feedback is not None:
            total = total + to_numpy(self.feedback.dense()) * to_numpy(self._activation.slope(s))[..., None, :]
        return total


def precision(array: Array) -> float:
    """The distance from 1 to the next number of the array's dtype."""
    return float(_finfo(array).eps)


def _finfo(array: Array) -> Any:
    return (sys.modules["torch"].finfo if is_torch(array) else np.finfo)(array.dtype)


def step_ends(a: float, b: float, dt: float) -> np.ndarray:
    """Ends of the equal steps from a to b, of length dt, or less where dt does not divide b - a."""
    steps = max(1, int(np.ceil((b - a) / dt - 1e-9)))
    return np.linspace(a, b, steps + 1)[1:]


def check_finite(values: Array, t: float) -> None:
    """Stop a method whose state has left the finite numbers after t."""
    least, largest = values.detach().aminmax() if is_torch(values) else (values.min(), values.max())
    most = HUGE * _finfo(values).max
    if not bool((least > -most) & (largest < most)):  # false for what is no number
        raise StepError(
            f"the solution leaves the finite numbers after t = {t:.6g}: it diverges, its right-hand side is not finite"
            " there, or the step is too long for this method"
        )


def smallest_step(t: float, a: float, b: float) -> float:
    """The step that is too small to move the time t, or ever to get to the end of its segment from a to b."""
    return max(4 * np.finfo(float).eps * max(abs(t), abs(a)), SMALLEST_SHARE * (b - a))


def check_step(segment: tuple[float, float], t: float, h: float, s: Any) -> None:
    """Stop a method whose step has become too small to move the time, or ever to get to the end of its segment."""
    if not h > smallest_step(t, *segment):
        size = float(np.abs(to_numpy(s)).max()) if all_finite(s) else np.inf
        raise StepError(
            f"no step is small enough at t = {t:.6g}, where the largest |s| is {size:.3g}: the solution diverges,"
            " or the right-hand side is not finite or not smooth there; integrate to an earlier time, or declare"
            " knots"
        )
