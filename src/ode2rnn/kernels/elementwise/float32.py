"""The activations in single precision, by the method of float64.py with a shorter polynomial, and their slopes.

Uses: C5.  Every constant is a float32: one that is not would make the whole expression double precision.
The functions without a number in their names take float32 and float64 alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ode2rnn.kernels.compiling import inlined
from ode2rnn.kernels.elementwise import float64 as elementwise

ROUND = np.float32(12582912.0)  # 3 * 2^22: adding it leaves the nearest whole number in the last bits
PER_LOG2 = np.float32(1.4426950408889634)
LOG2_HIGH, LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
BIAS, SHIFT = np.int32(127), np.int32(23)
ZERO, ONE, TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
SATURATED, LEAST = np.float32(-32.0), np.float32(-87.0)
# (e^p - 1 - p) / p^2, within 1e-9 of p^-1 on |p| <= log(2) / 2
C0, C1, C2 = np.float32(0.5), np.float32(0.16666667), np.float32(0.041666465)
C3, C4, C5 = np.float32(0.0083332985), np.float32(0.0013933644), np.float32(0.00019899276)


@inlined
def reduce32(y: np.float32) -> tuple[np.float32, np.float32]:
    """(2^k, e^p - 1) with e^y = 2^k e^p, for -87 <= y <= 87."""
    shifted = y * PER_LOG2 + ROUND
    k = shifted - ROUND
    p = (y - k * LOG2_HIGH) - k * LOG2_LOW
    scale = np.int32((np.float32(shifted).view(np.int32) + BIAS) << SHIFT).view(np.float32)
    p2 = p * p
    a = (C0 + p * C1) + p2 * ((C2 + p * C3) + p2 * (C4 + p * C5))
    return scale, p + p2 * a


@inlined
def tanh32(x: np.float32) -> np.float32:
    """tanh x, from e^(-2|x|) - 1, which loses nothing where x is small."""
    y = -TWO * abs(x)
    y = SATURATED if y < SATURATED else y  # NaN stays
    scale, part = reduce32(y)
    minus = scale * part + (scale - ONE)
    return np.float32(math.copysign(minus / (TWO + minus), x))


@inlined
def sigmoid32(x: np.float32) -> np.float32:
    """1 / (1 + e^-x), with e^-|x| alone, which cannot overflow."""
    y = -abs(x)
    low = y < LEAST
    scale, part = reduce32(LEAST if low else y)
    e = ZERO if low else scale + scale * part
    return (e if x < ZERO else ONE) / (ONE + e)


def in_kind(double: Any, single: Any) -> Any:
    """A function for kernels that is ``single`` for float32 and ``double`` else."""

    def both(x: float) -> float:
        raise NotImplementedError("only inside kernels")

    # numba compares the names of the arguments, and would their annotations
    overload(both)(lambda x: (lambda x: single(x)) if x is types.float32 else (lambda x: double(x)))
    return both


@inlined
def _softplus32(x: np.float32) -> np.float32:
    return np.float32(elementwise.softplus(np.float64(x)))


@inlined
def _softplus_slope(r: float) -> float:
    """The sigmoid of s = log(e^r - 1), 1 - e^-r."""
    scale, part = elementwise._reduce(-708.0 if r > 708.0 else -r)
    return (1.0 - scale) - scale * part


@inlined
def _softplus_slope32(r: np.float32) -> np.float32:
    scale, part = reduce32(LEAST if r > -LEAST else -r)
    return (ONE - scale) - scale * part


tanh = in_kind(elementwise.tanh, tanh32)
sigmoid = in_kind(elementwise.sigmoid, sigmoid32)
softplus = in_kind(elementwise.softplus, _softplus32)
softplus_slope = in_kind(_softplus_slope, _softplus_slope32)
