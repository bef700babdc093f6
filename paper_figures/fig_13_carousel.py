"""Figure 13: see the caption in ode2rnn.derivation.transition_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.transition_figures import carousel_data, draw_carousel

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("T7", "L9")
CLAIM = "With state gates near 1 the error arrives; with gates near 1/2 it is soon gone, as in the standard RNN."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return carousel_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_carousel(data)


def verdict(data: dict[str, Any]) -> Finding:
    """What is left of an error after 40 samples, for every bias of the state gate and in the standard RNN."""
    at = int(np.flatnonzero(data["lag"] == 40)[0])
    left = [float(psi[at]) for psi in data["whole"].values()]
    words = ", ".join(f"b_cs near {bias:g}: {value:.0e}" for bias, value in zip(data["whole"], left, strict=True))
    measured = f"{words}; standard RNN {data['standard'][at]:.0e}"
    return Finding("above 0.1 with gates near 1, below 1e-3 with 1/2", measured, left[-1] > 0.1 and left[0] < 1e-3)
