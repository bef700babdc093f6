"""A power that costs little, for the length of a step, which needs few digits.  Its twin: kernels.steps.taylor."""

from __future__ import annotations

import math

LOG2 = (-2.7941537, 5.0697563, -3.5202188, 1.6101775, -0.40947559, 0.043928628)  # log2 m on [1, 2], within 2e-5
EXP2 = (1.0000001, 0.69312103, 0.24022107, 0.055922036, 0.0096760371)  # 2^p on [-1/2, 1/2], within 3e-6


def power(x: float, share: float) -> float:
    """x^-share for 0 < x < infinity, within 3e-6 + 1e-5 share of itself.

    Example:
        >>> round(power(8.0, 1 / 3), 5)
        0.5
    """
    half, exponent = math.frexp(x)
    m = 2.0 * half
    m2 = m * m
    log = (LOG2[0] + m * LOG2[1]) + m2 * ((LOG2[2] + m * LOG2[3]) + m2 * (LOG2[4] + m * LOG2[5]))
    y = -share * (exponent - 1 + log)
    k = round(y)
    p = y - k
    p2 = p * p
    return math.ldexp((EXP2[0] + p * EXP2[1]) + p2 * ((EXP2[2] + p * EXP2[3]) + p2 * EXP2[4]), k)
