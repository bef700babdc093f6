"""Figure 9, on the yearly sunspot series: see the caption in ode2rnn.derivation.gradient_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.gradient_figures import adjoint_data, draw_adjoint

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B1", "B2", "B6")
CLAIM = "Back-propagation through time samples the adjoint equation: the finer dT, the closer."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return adjoint_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_adjoint(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The largest distance of psi[n] from psi(t), for each dT, the coarsest first."""
    gaps = [float(np.abs(np.interp(t, data["t"], data["psi"]) - psi).max()) for t, psi in data["sampled"].values()]
    return Finding("falls with dT", ", ".join(f"{gap:.3f}" for gap in gaps), bool((np.diff(gaps) < 0).all()))
