"""One step of an explicit Runge-Kutta method, by the tableaus that torchdiffeq has under the same names.

Source: J. C. Butcher, "Numerical Methods for Ordinary Differential Equations"; "rk4" is Kutta's 3/8 rule.
"""

from __future__ import annotations

from collections.abc import Callable

from ode2rnn.core.arrays import Array

Row = tuple[float, ...]
# by name: the rows of the tableau below the first, and the weights of the slopes
TABLEAUS: dict[str, tuple[tuple[Row, ...], Row]] = {
    "euler": ((), (1.0,)),
    "midpoint": (((1 / 2,),), (0.0, 1.0)),
    "heun2": (((1.0,),), (1 / 2, 1 / 2)),
    "heun3": (((1 / 3,), (0.0, 2 / 3)), (1 / 4, 0.0, 3 / 4)),
    "rk4": (((1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8)),
}


def advance(rate: Callable[[Array], Array], s: Array, h: float, method: str, steps: int = 1) -> Array:
    """Return the state after ``steps`` steps of length ``h`` of ds/dt = rate(s), by ``method`` of ``TABLEAUS``.

    Example:
        >>> import numpy as np
        >>> advance(lambda s: -s, np.ones(1), 0.5, "rk4")  # 1 - h + h^2 / 2 - h^3 / 6 + h^4 / 24
        array([0.60677083])
    """
    rows, weights = TABLEAUS[method]
    for _ in range(steps):
        slopes = [rate(s)]
        for row in rows:
            slopes.append(rate(s + _sum(row, slopes, h)))
        s = s + _sum(weights, slopes, h)
    return s


def _sum(weights: Row, slopes: list[Array], h: float) -> Array:
    return sum(h * w * slope for w, slope in zip(weights, slopes, strict=True) if w)
