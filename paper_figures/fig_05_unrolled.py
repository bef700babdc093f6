"""Figure 5, on the yearly sunspot series: see the caption in ode2rnn.derivation.unrolling_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.unrolling_figures import draw_unrolled, unrolled_data

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U1", "U3")
CLAIM = "A segment that starts from zero forgets its start when the cell's memory fades."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return unrolled_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_unrolled(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The largest error at the first samples of the segments, and at their last samples."""
    gap, at = np.abs(data["s"] - data["unrolled"]), data["n"] % data["K"]
    first, last = float(gap[at == 0].max()), float(gap[at == data["K"] - 1].max())
    return Finding("last below a tenth of first", f"{first:.3f} at first, {last:.4f} at last", last < first / 10)
