"""What a method leaves behind: the steps it took, and why it stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, as_like, concatenate, einsum, is_torch, stack, to_numpy
from ode2rnn.core.dense import Piecewise, barycentric_weights, interpolation_matrix
from ode2rnn.kernels import overdue

# beyond this share of the largest number a state has left the finite ones; closer to it rounding can hold it there
HUGE = 1e-4

# a method that needs steps this small, in shares of a segment, does not get to its end
SMALLEST_SHARE = 1e-15

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
    segments: ClassVar[Callable[..., Any] | None] = None  # what makes the segments, of one that keeps more than s

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
        count = len(self.values) + 1
        if count >= len(self._breaks):
            self._breaks = np.concatenate([self._breaks, np.empty(max(len(self._breaks), 64))])
        self._breaks[count] = end
        self.values.append(values)  # last: an interrupt before it finds the step not there
        self.on_step(end)
        overdue()

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

    def cut(self, readout: Callable[[Array], Array]) -> None:
        """Keep the steps before the first one whose readout is not finite."""
        if self.panels is not None:
            self._breaks, self.values, self.panels = self.panels.breaks, list(self.panels.values), None
        finite = [all_finite(readout(values)) for values in self.values]
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


def precision(array: Array) -> float:
    """The distance from 1 to the next number of the array's dtype."""
    return float(_finfo(array).eps)


def _finfo(array: Array) -> Any:
    return (sys.modules["torch"].finfo if is_torch(array) else np.finfo)(array.dtype)


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
