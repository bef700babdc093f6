"""The activations as branch-free polynomials, for Vectors of either precision, and for rows of numbers.  Uses: C5.

All rest on e^y = 2^k e^p with k = round(y / log 2) and |p| <= log(2) / 2, where e^p - 1 is a polynomial. The error is
below 3 units in the last place, for tiny arguments too; tanh is odd and exact at 0; NaN stays NaN. The plain twins are
the values in core.activations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.codes import RELU, SIGMOID, SOFTPLUS, TANH
from ode2rnn.kernels.elementwise.vectors import (
    address,
    below,
    is_single,
    length,
    load_like,
    magnitude,
    power_of_two,
    signed,
    single,
    store,
    widest,
)

ROUND, ROUND32 = 6755399441055744.0, 12582912.0  # 3 * 2^51, 3 * 2^22: k is left in the last bits
PER_LOG2 = 1.4426950408889634
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG2_HIGH32, LOG2_LOW32 = 0.693359375, -2.12194440e-4
# (e^p - 1 - p) / p^2 on |p| <= log(2) / 2, within 1e-18, and within 1e-9, of p^-1
SERIES = (
    *(0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326136),
    *(0.0013888888888883748, 0.00019841269874820627, 2.4801587325547743e-05, 2.7557255400206422e-06),
    *(2.75572736431103e-07, 2.5105217004720745e-08, 2.0914686968086876e-09),
)
SERIES32 = (0.5, 0.16666667, 0.041666465, 0.0083332985, 0.0013933644, 0.00019899276)
Vector = Any


@inlined
def reduce(y: Vector) -> tuple[Vector, Vector]:
    """(2^k, e^p - 1) with e^y = 2^k e^p, for -708 <= y <= 708 (-87 <= y <= 87 in single precision)."""
    rounding, high, low = ROUND, LOG2_HIGH, LOG2_LOW
    if is_single(y):
        rounding, high, low = ROUND32, LOG2_HIGH32, LOG2_LOW32
    shifted = y * PER_LOG2 + rounding
    k = shifted - rounding
    p = (y - k * high) - k * low
    p2 = p * p
    if is_single(y):
        f = SERIES32
        return power_of_two(shifted), p + p2 * ((p * f[1] + f[0]) + p2 * ((p * f[3] + f[2]) + p2 * (p * f[5] + f[4])))
    p4, c = p2 * p2, SERIES
    first = (p * c[1] + c[0]) + p2 * (p * c[3] + c[2])
    second = (p * c[5] + c[4]) + p2 * (p * c[7] + c[6])
    return power_of_two(shifted), p + p2 * (first + p4 * (second + p4 * (p * c[9] + c[8] + p2 * c[10])))


@inlined
def decay(x: Vector) -> Vector:
    """e^-|x|, which cannot overflow; 0 where it would be denormal."""
    y, least = magnitude(x) * -1.0, -87.0 if is_single(x) else -708.0
    scale, part = reduce(below(y, least, least, y))
    return below(y, least, 0.0, scale + scale * part)


@inlined
def tanh(x: Vector) -> Vector:
    """tanh x, from e^(-2|x|) - 1, which loses nothing where x is small."""
    y, least = magnitude(x) * -2.0, -32.0 if is_single(x) else -64.0
    scale, part = reduce(below(y, least, least, y))
    minus = scale * part + (scale - 1.0)
    return signed(minus / (minus + 2.0), x)


@inlined
def sigmoid(x: Vector) -> Vector:
    """1 / (1 + e^-x), with e^-|x| alone."""
    e = decay(x)
    return below(x, 0.0, e, 1.0) / (e + 1.0)


@inlined
def relu(x: Vector) -> Vector:
    """max(x, 0)."""
    return below(x, 0.0, 0.0, x)


@inlined
def softplus(x: Vector) -> Vector:
    """log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x|, where log(1 + u) = 2 artanh(u / (2 + u))."""
    u = decay(x)
    z = u / (u + 2.0)
    w = z * z
    w2 = w * w
    w4 = w2 * w2
    # (artanh(z) / z - 1) / z^2, within 1e-17 for z <= 1/3
    a = (w * 0.20000000000007298 + 0.3333333333333333) + w2 * (w * 0.11111111358900891 + 0.1428571428355253)
    b = (w * 0.07692785296456121 + 0.09090894708663223) + w2 * (w * 0.06000577591428889 + 0.06657067775440581)
    g = a + w4 * (b + w4 * (w * 0.08082469084735669 + 0.04400158825434387))
    return relu(x) + (z + z * w * g) * 2.0


@inlined
def value(code: int, x: Vector) -> Vector:
    """G(x)."""
    if code == TANH:
        return tanh(x)
    if code == SIGMOID:
        return sigmoid(x)
    if code == RELU:
        return relu(x)
    if code == SOFTPLUS:
        return softplus(x)
    return x


@inlined
def slope(code: int, r: Vector) -> Vector:
    """G'(x) from r = G(x)."""
    if code == TANH:
        return 1.0 - r * r
    if code == SIGMOID:
        return r - r * r
    if code == RELU:
        return below(r * -1.0, 0.0, r * 0.0 + 1.0, 0.0)
    if code == SOFTPLUS:  # the sigmoid of log(e^r - 1), 1 - e^-r
        y, least = r * -1.0, -87.0 if is_single(r) else -708.0
        scale, part = reduce(below(y, least, least, y))
        return (1.0 - scale) - scale * part
    return r * 0.0 + 1.0


@inlined
def _values(code: int, like: Vector, begin: int, end: int, s: int, r: int) -> int:
    """As many whole Vectors as there are from ``begin`` to before ``end``; where they end."""
    while begin + length(like) <= end:
        store(r, begin, value(code, load_like(like, s, begin)))
        begin += length(like)
    return begin


@inlined
def warp_at(code: int, zero: float, count: int, s: int, r: int) -> None:
    """r = G(s) for ``count`` numbers of the precision of ``zero`` from s and r on, which may be the same."""
    whole = _values(code, widest(zero), 0, count, s, r)
    _values(code, single(zero), whole, count, s, r)


@kernel
def warp(code: int, s: np.ndarray, r: np.ndarray) -> None:
    """r = G(s) for arrays of as many numbers; r may be s."""
    warp_at(code, s.dtype.type(0.0), s.size, address(s), address(r))
