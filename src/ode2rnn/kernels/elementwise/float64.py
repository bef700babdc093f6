"""The activations as branch-free polynomials, which the compiler turns into vector instructions.

Uses: C5.  All rest on e^y = 2^k e^p with k = round(y / log 2) and |p| <= log(2) / 2, where e^p - 1 is a polynomial.
The error is below 3 units in the last place, for tiny arguments too; tanh is odd and exact at 0; NaN stays NaN.
The plain twins are the values in core.activations.

No reassociation and no assumption that numbers are finite may be allowed here: the rounding to k adds and
subtracts 3 * 2^51, and NaN must get through.
"""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.codes import RELU, SIGMOID, SOFTPLUS, TANH

ROUND = 6755399441055744.0  # 3 * 2^51: adding it leaves the nearest whole number in the last bits
PER_LOG2 = 1.4426950408889634
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
BIAS = np.int64(1023)
SHIFT = np.int64(52)
# (e^p - 1 - p) / p^2, within 1e-18 of p^-1 on |p| <= log(2) / 2
SERIES = (
    *(0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326136),
    *(0.0013888888888883748, 0.00019841269874820627, 2.4801587325547743e-05, 2.7557255400206422e-06),
    *(2.75572736431103e-07, 2.5105217004720745e-08, 2.0914686968086876e-09),
)


@inlined
def _reduce(y: float) -> tuple[float, float]:
    """(2^k, e^p - 1) with e^y = 2^k e^p, for -708 <= y <= 708."""
    shifted = y * PER_LOG2 + ROUND
    k = shifted - ROUND
    p = (y - k * LOG2_HIGH) - k * LOG2_LOW
    scale = np.int64((np.float64(shifted).view(np.int64) + BIAS) << SHIFT).view(np.float64)
    p2 = p * p
    p4 = p2 * p2
    a = (SERIES[0] + p * SERIES[1]) + p2 * (SERIES[2] + p * SERIES[3])
    b = (SERIES[4] + p * SERIES[5]) + p2 * (SERIES[6] + p * SERIES[7])
    c = SERIES[8] + p * SERIES[9] + p2 * SERIES[10]
    return scale, p + p2 * (a + p4 * (b + p4 * c))


@inlined
def tanh(x: float) -> float:
    """tanh x, from e^(-2|x|) - 1, which loses nothing where x is small."""
    y = -2.0 * abs(x)
    y = -64.0 if y < -64.0 else y  # NaN stays
    scale, part = _reduce(y)
    minus = scale * part + (scale - 1.0)
    return math.copysign(minus / (2.0 + minus), x)


@inlined
def sigmoid(x: float) -> float:
    """1 / (1 + e^-x), with e^-|x| alone, which cannot overflow."""
    y = -abs(x)
    low = y < -708.0
    scale, part = _reduce(-708.0 if low else y)
    e = 0.0 if low else scale + scale * part
    return (e if x < 0.0 else 1.0) / (1.0 + e)


@inlined
def relu(x: float) -> float:
    """max(x, 0)."""
    return 0.0 if x < 0.0 else x


@inlined
def softplus(x: float) -> float:
    """log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x|, where log(1 + u) = 2 artanh(u / (2 + u))."""
    y = -abs(x)
    low = y < -708.0
    scale, part = _reduce(-708.0 if low else y)
    u = 0.0 if low else scale + scale * part
    z = u / (2.0 + u)
    w = z * z
    w2 = w * w
    w4 = w2 * w2
    # (artanh(z) / z - 1) / z^2, within 1e-17 for z <= 1/3
    a = (0.3333333333333333 + w * 0.20000000000007298) + w2 * (0.1428571428355253 + w * 0.11111111358900891)
    b = (0.09090894708663223 + w * 0.07692785296456121) + w2 * (0.06657067775440581 + w * 0.06000577591428889)
    g = a + w4 * (b + w4 * (0.04400158825434387 + w * 0.08082469084735669))
    return relu(x) + 2.0 * (z + z * w * g)


@kernel
def warp(code: int, s: np.ndarray, r: np.ndarray) -> None:
    """r = G(s) for vectors of one length; r may be s."""
    n = s.shape[0]
    if code == TANH:
        for i in range(n):
            r[i] = tanh(s[i])
    elif code == SIGMOID:
        for i in range(n):
            r[i] = sigmoid(s[i])
    elif code == RELU:
        for i in range(n):
            r[i] = relu(s[i])
    elif code == SOFTPLUS:
        for i in range(n):
            r[i] = softplus(s[i])
    else:
        for i in range(n):
            r[i] = s[i]
