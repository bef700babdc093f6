"""Figure 3, on the yearly sunspot series: see the caption in ode2rnn.derivation.figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.figures import draw_poles, poles_data

SECTION = "The Roots of RNN"
EQUATIONS = ("C10", "D6")
CLAIM = "Backward Euler takes the poles of a stable A into the unit circle for every dT."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return poles_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_poles(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The largest |z| over all dT, and the largest real part of a pole."""
    largest, growth = float(np.abs(data["paths"]).max()), float(data["poles"].real.max())
    return Finding(
        "|z| < 1 for Re lambda < 0", f"|z| <= {largest:.4f}, Re lambda <= {growth:g}", largest < 1 and growth < 0
    )
