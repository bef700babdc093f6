"""sin and cos as branch-free polynomials.  Uses: C6.

y + q pi / 2 is brought to k pi + p with |p| <= pi / 2, in three parts of pi: the error is that of the rounding of y for
|y| < 10^6.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inlined
from ode2rnn.kernels.elementwise.activations import ROUND

LARGEST = 1e6
PER_PI = 0.3183098861837907
PI_1, PI_2, PI_3 = 3.141592651605606, 1.9841871583270443e-09, 1.034036596358821e-18
SIGN = np.int64(63)


@inlined
def sine(y: float, quarters: float) -> float:
    """sin(y + quarters pi / 2) for quarters 0 or 1: sin y, cos y."""
    shifted = (y * PER_PI + 0.5 * quarters) + ROUND
    k = (shifted - ROUND) - 0.5 * quarters
    p = ((y - k * PI_1) - k * PI_2) - k * PI_3
    z = p * p
    z2 = z * z
    a = (-1.6666666666666666e-01 + z * 8.3333333333333333e-03) + z2 * (
        -1.9841269841269841e-04 + z * 2.7557319223985893e-06
    )
    b = (-2.5052108385441719e-08 + z * 1.6059043836821613e-10) + z2 * (
        -7.6471637318198164e-13 + z * 2.8114572543455206e-15
    )
    c = -8.2206352466243297e-18 + z * 1.9572941063391263e-20
    value = p + p * (z * (a + z2 * z2 * (b + z2 * z2 * c)))
    odd = np.float64(shifted).view(np.int64) << SIGN
    return np.int64(np.float64(value).view(np.int64) ^ odd).view(np.float64)
