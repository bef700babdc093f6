"""Inputs as data: arrays from which a kernel evaluates x(t) without calling a function of the user's.  Uses: C6."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ode2rnn.core.signals import Constant, Sine, Sum
from ode2rnn.core.signals.sampled import Cubic, Held, Linear, SampledSeries
from ode2rnn.core.signals.signal import Signal

DATA = (Constant, Sine, Held, Linear, Cubic)
DEPTH = {Linear: 2, Cubic: 4}  # coefficients of a piece, where more than one


NO_PIECE = np.zeros((1, 1, 1, 1))


class InputData(NamedTuple):
    """The delayed inputs side by side, X(t) = [x(t - tau_1), x(t - tau_2), ...], on S segments.

    On segment i, edges[i] <= t <= edges[i + 1],

        X(t) = sum_k pieces[i, k] (t - edges[i])^k + sum_j sine[j] sin(omega[j] t) + cosine[j] cos(omega[j] t).

    Attributes:
        edges: ends of the segments, (S + 1,).
        pieces: polynomial coefficients, (S, K, L, M); K is 1 for held and constant inputs, up to 4.
        omega: angular frequencies, (n, L).
        sine, cosine: amplitudes, (n, L, M).

    M is the number of input delays times the width m of x (0 without input). L is 1 where every trajectory of a
    batch has the same input, else their number, in the order of the flattened batch.
    """

    edges: np.ndarray
    pieces: np.ndarray
    omega: np.ndarray
    sine: np.ndarray
    cosine: np.ndarray

    def start(self) -> np.ndarray:
        """X(edges[0]), (L, M)."""
        y = self.omega[..., None] * self.edges[0]
        return self.pieces[0, 0] + (self.sine * np.sin(y) + self.cosine * np.cos(y)).sum(axis=0)


Sinusoid = tuple[np.ndarray, np.ndarray, np.ndarray]  # omega (L,), sine and cosine (L, M)


def input_data(
    x: Signal | None, delays: tuple[float, ...], edges: np.ndarray, width: int, batch: tuple[int, ...] = ()
) -> InputData | None:
    """The input x as data, or None where it is a function of the user's.

    Args:
        x: the input; None for no input.
        delays: delays of the input terms, in their order.
        edges: t0, the breaking points, t1: no knot of x, delayed, lies inside a segment.
        width: number m of inputs.
        batch: shape of the batch of trajectories.

    Sums, constants, sines, and held, linear and cubic series in NumPy are data. A kernel is fed by these only; any
    other function of time is served by the plain methods, at a call of the function every step.

    Example:
        >>> data = input_data(Sine(2.0, 3.0) + 0.5, (0.0,), np.array([0.0, 1.0]), 1)
        >>> data.pieces.ravel(), data.omega.ravel(), data.sine.ravel()
        (array([0.5]), array([3.]), array([2.]))
    """
    if type(x) is Sine and width == len(delays) == 1 and len(edges) == 2:
        one = x.single
        if one is not None:
            return InputData(edges, NO_PIECE, *_one_sine(*one, delays[0]))
    parts: list[Signal] = []
    if x is not None and not _collect(x, parts):
        return None
    total = width * len(delays) if parts else 0
    members = math.prod(batch) if batch and any(_batch_size(part) > 1 for part in parts) else 1
    depth = max([DEPTH.get(type(part), 1) for part in parts], default=1)
    pieces = np.zeros((len(edges) - 1, depth, members, total))
    sines: list[Sinusoid] = []
    for n, delay in enumerate(delays if parts else ()):
        columns = slice(n * width, (n + 1) * width)
        for part in parts:
            if isinstance(part, Sine):
                sines += _sines(part, delay, columns, (members, total), batch)
            elif isinstance(part, Constant):
                pieces[:, 0, :, columns] += _members(part.value, width, members, batch)
            elif isinstance(part, SampledSeries):
                middle = 0.5 * (edges[:-1] + edges[1:])
                values = part.taylor(middle - delay, edges[:-1] - delay)
                pieces[:, : values.shape[1], :, columns] += _members(values, width, members, batch, lead=2)
    if not sines:
        return InputData(
            edges, pieces, np.zeros((0, members)), np.zeros((0, members, total)), np.zeros((0, members, total))
        )
    omega, sine, cosine = sines[0]
    if len(sines) == 1:
        return InputData(edges, pieces, omega[None], sine[None], cosine[None])
    return InputData(edges, pieces, *(np.stack(values) for values in zip(*sines, strict=True)))


def is_data(x: Signal) -> bool:
    """Whether an input can be described by arrays alone.

    Example:
        >>> is_data(Sine() + 1.0)
        True
    """
    return _collect(x, [])


def _collect(x: Signal, parts: list[Signal]) -> bool:
    """Put the terms of a sum into ``parts``; whether all of them are data."""
    kind = type(x)
    if kind is Sum:
        return _collect(x.first, parts) and _collect(x.second, parts)  # type: ignore[attr-defined]
    if kind not in DATA or x.parameters():
        return False
    parts.append(x)
    return True


def _batch_size(part: Signal) -> int:
    if isinstance(part, Constant):
        return part.value.size // part.value.shape[-1]
    if isinstance(part, Sine):
        return max([v.size // v.shape[-1] for v in (part.amplitude, part.omega, part.phase)])
    assert isinstance(part, SampledSeries)
    return part.x[0].size // part.x.shape[-1]


def _members(value: np.ndarray, width: int, members: int, batch: tuple[int, ...], lead: int = 0) -> np.ndarray:
    """Values (lead axes, ..., m) as (lead axes, members, m)."""
    first, rest = value.shape[:lead], value.shape[lead:]
    if members == 1 and rest[-1] == width:
        return value.reshape((*first, 1, width))
    if members == 1:
        return np.broadcast_to(value.reshape((*first, 1, rest[-1])), (*first, 1, width))
    missing = len(batch) + 1 - len(rest)
    value = value.reshape((*first, *(1,) * missing, *rest))
    return np.broadcast_to(value, (*first, *batch, width)).reshape((*first, members, width))


@lru_cache(maxsize=64)
def _one_sine(a: float, w: float, p: float, delay: float) -> Sinusoid:
    """The sinusoid of one trajectory and one input, as InputData holds it."""
    p -= w * delay
    return np.array([[w]]), np.array([[[a * math.cos(p)]]]), np.array([[[a * math.sin(p)]]])


def _sines(part: Sine, delay: float, columns: slice, shape: tuple[int, int], batch: tuple[int, ...]) -> list[Sinusoid]:
    width, members = columns.stop - columns.start, shape[0]
    one = part.single
    if shape == (1, 1) and one is not None:
        omega, sine, cosine = _one_sine(*one, delay)
        return [(omega[0], sine[0], cosine[0])]
    amplitude, omega, phase = (_members(v, width, members, batch) for v in (part.amplitude, part.omega, part.phase))
    if delay:
        phase = phase - omega * delay
    sine, cosine = amplitude * np.cos(phase), amplitude * np.sin(phase)
    if shape[1] == width and (width == 1 or part.omega.shape[-1] == 1):
        return [(omega[:, 0].copy(), sine, cosine)]
    distinct, which = np.unique(omega, axis=1, return_inverse=True)
    sines = []
    for j in range(distinct.shape[1]):
        mask = np.reshape(which, -1) == j
        found = distinct[:, j].copy(), np.zeros(shape), np.zeros(shape)
        found[1][:, columns] = np.where(mask, sine, 0.0)
        found[2][:, columns] = np.where(mask, cosine, 0.0)
        sines.append(found)
    return sines
