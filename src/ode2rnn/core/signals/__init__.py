"""Inputs x(t): analytic, and sampled series with their knots.  Uses: C6."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, all_finite
from ode2rnn.core.series import Series, load_series
from ode2rnn.core.signals.analytic import Analytic, Sine
from ode2rnn.core.signals.sampled import Cubic, Held, Linear
from ode2rnn.core.signals.signal import Constant, Signal, Sum, check_range

__all__ = [
    "Analytic",
    "Constant",
    "Cubic",
    "Held",
    "Linear",
    "Series",
    "Signal",
    "Sine",
    "Sum",
    "as_signal",
    "load_series",
]


def as_signal(name: str, value: object, width: int, span: tuple[float, float]) -> Signal:
    """``value`` as a Signal of the given width, tried at both ends of ``span`` before any work is done.

    Raises:
        ValueError: no function of time, a wrong width, NaN, or a range that does not cover ``span``.
    """
    return probed_signal(name, value, width, span)[0]


def probed_signal(name: str, value: object, width: int, span: tuple[float, float]) -> tuple[Signal, Array]:
    """:func:`as_signal`, and the values at both ends, (2, ..., m).

    Raises:
        ValueError: no function of time, a wrong width, NaN, or a range that does not cover ``span``.
    """
    if isinstance(value, Signal):
        signal = value
    elif callable(value):
        signal = Analytic(value, knots=getattr(value, "knots", ()))
    else:
        raise ValueError(
            f"{name}: expected a function of time or one of ode2rnn.signals, got {type(value).__name__};"
            f" wrap an array as signals.Held(t, array) or signals.Constant(array)"
        )
    if signal.start > -np.inf or signal.end < np.inf:
        check_range(name, signal, *span)
    try:
        probe = signal.ends(span)
    except Exception as error:
        raise ValueError(f"{name}: {error}") from error
    if probe.ndim < 2 or probe.shape[-1] != width:
        raise ValueError(f"{name}: expected values of shape (..., {width}), got {tuple(probe.shape[1:])} at one time")
    if not all_finite(probe):
        raise ValueError(f"{name}: expected finite values, got NaN or infinity at t = {span[0]:g} or {span[1]:g}")
    return signal, probe
