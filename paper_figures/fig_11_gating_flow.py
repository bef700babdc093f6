"""Figure 11: see the caption in ode2rnn.derivation.gating_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.gating_figures import draw_flows, flows_data

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("B4", "T7")
CLAIM = "Before any training, the error that arrives in gated networks is far larger than in a standard RNN."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return flows_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_flows(data)


def verdict(data: dict[str, Any]) -> Finding:
    """What is left of an error at the longest lag, before the training and after it."""
    left = {
        when: {name: float((flow.log_norms[-1] - flow.log_norms[0]) / np.log(10)) for name, flow in data[when].items()}
        for when in ("before", "after")
    }
    gated = [value for name, value in left["before"].items() if name != "standard RNN"]
    words = ", ".join(
        f"{name} 10^{value:.1f} (after 10^{left['after'][name]:.1f})" for name, value in left["before"].items()
    )
    return Finding("gated above the standard RNN", words, min(gated) > left["before"]["standard RNN"])
