"""The known part of ds/dt, C x(t) + phi, inside a kernel: polynomials and sines times C.  Uses: C6, C9."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from ode2rnn.kernels.elementwise import LOOP
from ode2rnn.kernels.vectors import WIDTH, fma, get, load, put, spread, store, times


@njit(**LOOP)
def start_segment(
    C: Any, phi: Any, pieces: Any, segment: int, sine: Any, cosine: Any, lane: int, F: Any, width: int
) -> None:
    """C times the input of a segment into F, rows of ``width``: polynomial (K), then sine and cosine of each wave."""
    d, M = C.shape
    K = pieces.shape[1]
    for k in range(K):
        for i in range(d):
            total = phi[i] if k == 0 else 0.0
            for m in range(M):
                total += C[i, m] * pieces[segment, k, lane, m]
            F[k * width + i] = total
    for n in range(sine.shape[0]):
        at = (K + 2 * n) * width
        for i in range(d):
            a, b = 0.0, 0.0
            for m in range(M):
                a += C[i, m] * sine[n, lane, m]
                b += C[i, m] * cosine[n, lane, m]
            F[at + i] = a
            F[at + width + i] = b


@njit(**LOOP)
def start_waves(omega: Any, count: int, t: float, waves: Any, order: int) -> None:
    """sin and cos of omega t into ``waves``, pairs (n, order + 1, 2) laid flat, entry 0."""
    for n in range(count):
        put(waves, n * (2 * order + 2), math.sin(get(omega, n) * t))
        put(waves, n * (2 * order + 2) + 1, math.cos(get(omega, n) * t))


@njit(**LOOP)
def expand_waves(omega: Any, count: int, scale: float, waves: Any, order: int) -> None:
    """Taylor coefficients of sin and cos from entry 0 on, in units of ``scale``."""
    for n in range(count):
        at = n * (2 * order + 2)
        a, b = get(waves, at), get(waves, at + 1)
        w = get(omega, n) * scale
        for k in range(1, order + 1):
            turn = w / k
            a, b = b * turn, -a * turn
            put(waves, at + 2 * k, a)
            put(waves, at + 2 * k + 1, b)


@njit(**LOOP)
def forcing_at(u: float, F: Any, K: int, waves: Any, count: int, order: int, W: Any, to: int, width: int) -> None:
    """The forcing at the time u after the start of the segment, into W[to :]; ``waves`` started there."""
    for o in range(0, width, WIDTH):
        total = load(F, (K - 1) * width + o)
        for k in range(K - 2, -1, -1):
            total = fma(total, spread(u), load(F, k * width + o))
        for n in range(count):
            at, row = n * (2 * order + 2), (K + 2 * n) * width + o
            total = fma(spread(get(waves, at)), load(F, row), total)
            total = fma(spread(get(waves, at + 1)), load(F, row + width), total)
        store(W, to + o, total)


@njit(**LOOP)
def forcing_coefficients(
    u: float, scale: float, F: Any, K: int, waves: Any, count: int, order: int, W: Any, to: int, width: int
) -> None:
    """Rows 1 .. order - 1 of the Taylor coefficients about u, in units of ``scale``, into W[to :]."""
    for o in range(0, width, WIDTH):
        for k in range(1, order):
            total = spread(0.0)
            if k < K:
                total = load(F, (K - 1) * width + o)
                for j in range(K - 2, k - 1, -1):  # Horner's scheme of the k-th derivative over k!
                    total = fma(total, spread(u * (j + 1) / (j + 1 - k)), load(F, j * width + o))
                power = 1.0
                for _ in range(k):
                    power *= scale
                total = times(total, spread(power))
            for n in range(count):
                at, row = n * (2 * order + 2) + 2 * k, (K + 2 * n) * width + o
                total = fma(spread(get(waves, at)), load(F, row), total)
                total = fma(spread(get(waves, at + 1)), load(F, row + width), total)
            store(W, to + k * width + o, total)
