"""Figure 4, on the yearly sunspot series: see the caption in ode2rnn.derivation.figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.figure_cells import fitted_slope
from ode2rnn.derivation.figures import draw_limit, limit_data

SECTION = "The Roots of RNN"
EQUATIONS = ("D7", "D8")
CLAIM = "As dT grows the canonical RNN becomes the standard RNN, like 1 / dT."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return limit_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_limit(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The slopes over the longest steps."""
    slopes = [fitted_slope(data["dts"][-6:], gaps[-6:]) for gaps in data["distances"].values()]
    worst = float(np.abs(np.add(slopes, 1)).max())
    return Finding("slope -1 +- 0.01", ", ".join(f"{slope:.3f}" for slope in slopes), worst <= 0.01)
