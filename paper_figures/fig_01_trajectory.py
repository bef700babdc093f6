"""Figure 1, on the yearly sunspot series: see the caption in ode2rnn.derivation.figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.figures import draw_trajectory, trajectory_data

SECTION = "The Roots of RNN"
EQUATIONS = ("C9", "D5")
CLAIM = "The canonical RNN samples the delay equation: the finer dT, the closer."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return trajectory_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_trajectory(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The largest distance of the samples from the solution, for each dT, the coarsest first."""
    gaps = [float(np.abs(np.interp(t, data["t"], data["s"]) - s).max()) for t, s in data["samples"].values()]
    falls = bool((np.diff(gaps) < 0).all())
    return Finding("falls with dT", ", ".join(f"{gap:.3f}" for gap in gaps), falls)
