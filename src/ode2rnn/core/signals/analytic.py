"""Inputs given by a formula or a function of time.  Uses: C6."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    check_array,
    check_increasing,
    is_torch,
    stack,
)
from ode2rnn.core.signals.signal import Signal, at_least_vector


class Sine(Signal):
    """x(t) = amplitude sin(omega t + phase), elementwise over the m inputs.

    Args:
        amplitude, omega, phase: numbers or (..., m); omega in radians per unit of time.

    Example:
        >>> Sine(amplitude=2.0, omega=np.pi)(0.5)
        array([2.])
    """

    def __init__(self, amplitude: ArrayLike = 1.0, omega: ArrayLike = 1.0, phase: ArrayLike = 0.0) -> None:
        names = ("amplitude", "omega", "phase")
        given = [check_array(name, value) for name, value in zip(names, (amplitude, omega, phase), strict=True)]
        like = next((v for v in given if is_torch(v)), given[0])
        given = [check_array(name, value, like) for name, value in zip(names, given, strict=True)]
        try:
            np.broadcast_shapes(*(tuple(v.shape) for v in given))
        except ValueError:
            raise ValueError(
                "amplitude, omega, phase: expected shapes that broadcast, got "
                + ", ".join(str(tuple(v.shape)) for v in given)
            ) from None
        self.amplitude, self.omega, self.phase = (at_least_vector(v) for v in given)
        self._axes = (1,) * max(self.amplitude.ndim, self.omega.ndim, self.phase.ndim)
        # amplitude, frequency and phase as numbers; None where they are arrays of several, or of torch
        self.single: tuple[float, float, float] | None = None
        values = (self.amplitude, self.omega, self.phase)
        if not is_torch(self.omega):
            for value in values:
                value.flags.writeable = False  # what is read here stays true
            if all(value.shape == (1,) for value in values):
                self.single = (values[0].item(), values[1].item(), values[2].item())

    def _values(self, t: np.ndarray) -> Array:
        times = t.reshape((len(t), *self._axes))
        if is_torch(self.omega):
            return self.amplitude * (self.omega * as_like(times, self.omega) + self.phase).sin()
        return self.amplitude * np.sin(self.omega * times + self.phase)

    def ends(self, span: tuple[float, float]) -> Array:
        one = self.single
        if one is None:
            return super().ends(span)
        a, w, p = one
        first, last = w * span[0] + p, w * span[1] + p
        if not math.isfinite(last - first):
            return super().ends(span)
        return np.array([[a * math.sin(first)], [a * math.sin(last)]])

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        return self._values

    def piece_at_one_time(self, a: float, b: float) -> Callable[[float], Array]:
        if self.single is None or not all(math.isfinite(self.single[1] * t + self.single[2]) for t in (a, b)):
            return super().piece_at_one_time(a, b)
        amplitude, omega, phase = self.single
        return lambda t: np.array([amplitude * math.sin(omega * t + phase)])

    def parameters(self) -> tuple[Array, ...]:
        return (self.amplitude, self.omega, self.phase) if is_torch(self.omega) else ()


class Analytic(Signal):
    """A function of time of the user's own, with the times where it is not smooth.

    Args:
        function: t -> (..., m) (a number stands for m = 1). It is called with an array, or in torch a tensor, of
            times (T,) where that gives (T, ..., m), else once per time with a number. A torch.nn.Module is such a
            function too; its parameters get gradients.
        knots: times where the function or a derivative jumps; an integration steps onto them, never over.

    A function without declared knots is taken to be smooth: a pulse that it hides can be stepped over.

    Raises:
        ValueError: a function that cannot be called; knots that do not increase.

    Example:
        >>> pulse = Analytic(lambda t: 1.0 * ((t >= 50) & (t < 50.5)), knots=[50, 50.5])
        >>> pulse.left(50.0), pulse.right(50.0)
        (array([0.]), array([1.]))
    """

    def __init__(self, function: Callable[[Any], Any], knots: ArrayLike | None = ()) -> None:
        if not callable(function):
            raise ValueError(f"function: expected a function of time, got {brief(function)}")
        self.function = function
        self.knots = check_increasing("knots", knots, least=0)
        self._form: str | None = None

    def _values(self, t: np.ndarray) -> Array:
        if self._form is None:
            form = self._find_form(t)
            if t.min() < t.max():  # one time alone does not tell a time axis from a feature axis
                self._form = form
            return self._called(form, t)
        return self._called(self._form, t)

    def _called(self, form: str, t: np.ndarray) -> Array:
        if form == "number":
            return self._one_by_one(t)
        array = self._call(t if form == "array" else sys.modules["torch"].as_tensor(t))
        return array[:, None] if array.ndim == 1 else array

    def _find_form(self, t: np.ndarray) -> str:
        """How the function takes its times: "array" (T,), "tensor" (T,), or one "number" at a time."""
        # five uneven times tell a time axis from a feature axis that happens to be as long
        times = t.min() + (t.max() - t.min()) * np.array([0.0, 0.11, 0.42, 0.73, 1.0])
        one_by_one, failure = None, None
        try:
            one_by_one = self._one_by_one(times)
        except ValueError as error:
            failure = error
        for form in ("array", "tensor") if "torch" in sys.modules else ("array",):
            try:
                together = self._called(form, times)
                if together.shape[0] == len(times) and (one_by_one is None or _same(together, one_by_one)):
                    return form
            except Exception:
                continue
        if failure is not None:
            raise failure
        return "number"

    def _one_by_one(self, t: np.ndarray) -> Array:
        values = []
        for time in t.tolist():
            value = self._call(time)
            values.append(at_least_vector(value))
            if values[-1].shape != values[0].shape or is_torch(value) != is_torch(values[0]):
                raise ValueError(
                    f"function: expected values of one kind and shape, got {type(values[0]).__name__}"
                    f" {tuple(values[0].shape)} at t = {t[0]:g} and {type(value).__name__}"
                    f" {tuple(values[-1].shape)} at t = {time:g}"
                )
        return stack(values)

    def _call(self, t: float | np.ndarray) -> Array:
        try:
            value = self.function(t)
        except Exception as error:
            raise ValueError(
                f"function: expected values at t = {t}, but it raised {error!r:.200}; it may take a number, or times"
                " (T,) as an array or a tensor"
            ) from error
        try:
            return check_array("function", value, finite=False)
        except ValueError as error:
            raise ValueError(f"{error} at t = {t}") from None

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        if not len(self.knots):
            return self._values
        j = int(np.searchsorted(self.knots, 0.5 * (a + b)))
        # the function itself decides what it is at a knot; an ulp inside, it is the piece asked for
        first = np.nextafter(self.knots[j - 1], np.inf) if j > 0 else -np.inf
        last = np.nextafter(self.knots[j], -np.inf) if j < len(self.knots) else np.inf
        return lambda t: self._values(np.clip(t, first, last))

    def parameters(self) -> tuple[Array, ...]:
        named = getattr(self.function, "parameters", None)
        return tuple(named()) if callable(named) else ()


def _same(one: Array, other: Array) -> bool:
    if tuple(one.shape) != tuple(other.shape):
        return False
    return bool((abs(one - other) <= 1e-12 * (1.0 + abs(other))).all())
