"""The known part of ds/dt, C x(t) + phi, inside a kernel: polynomials and sines times C.  Uses: C6, C9."""

from __future__ import annotations

import math
from typing import Any

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.vectors import WIDTH, fma, get, load, plus, put, spread, store, times

# where the rows of start_segment are, number of polynomial rows; frequencies of the waves, their sines and cosines
# now, number of waves; width of a row
Known = tuple[int, int, int, int, int, int]


@kernel
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


@kernel
def forcing_at(known: Known, t: float, u: float, W: int, to: int) -> None:
    """The forcing at the time t, u after the start of the segment, into W[to :]; the waves are left there."""
    F, K, omega, waves, count, width = known
    for n in range(count):
        put(waves, 2 * n, math.sin(get(omega, n) * t))
        put(waves, 2 * n + 1, math.cos(get(omega, n) * t))
    for o in range(0, width, WIDTH):
        total = load(F, (K - 1) * width + o)
        for k in range(K - 2, -1, -1):
            total = fma(total, spread(u), load(F, k * width + o))
        for n in range(count):
            row = (K + 2 * n) * width + o
            total = fma(spread(get(waves, 2 * n)), load(F, row), total)
            total = fma(spread(get(waves, 2 * n + 1)), load(F, row + width), total)
        store(W, to + o, total)


@kernel
def forcing_coefficients(
    known: Known, u: float, scale: float, factor: float, first: int, order: int, inverse: int, W: int, to: int
) -> None:
    """Rows 1 .. order - 1 of the Taylor coefficients in units of ``scale``, times ``factor``, into W[to :], about where
    the waves are, u after the start of the segment, without the waves before ``first``; W[inverse + k] is 1 / k.
    """
    F, K, omega, waves, count, width = known
    for o in range(0, width, WIDTH):
        for k in range(1, order):
            total = spread(0.0)
            if k < K:
                total = load(F, (K - 1) * width + o)
                for j in range(K - 2, k - 1, -1):  # Horner's scheme of the k-th derivative over k!
                    total = fma(total, spread(u * (j + 1) / (j + 1 - k)), load(F, j * width + o))
                power = factor
                for _ in range(k):
                    power *= scale
                total = times(total, spread(power))
            store(W, to + k * width + o, total)
        for n in range(first, count):
            row = (K + 2 * n) * width + o
            sine, cosine = factor * get(waves, 2 * n), factor * get(waves, 2 * n + 1)
            value = fma(spread(sine), load(F, row), times(spread(cosine), load(F, row + width)))
            rise = fma(spread(cosine), load(F, row), times(spread(-sine), load(F, row + width)))
            turn = get(omega, n) * scale
            for k in range(1, order):
                angle = turn * get(W, inverse + k)
                value, rise = times(rise, spread(angle)), times(value, spread(-angle))
                at = to + k * width + o
                store(W, at, plus(load(W, at), value))
