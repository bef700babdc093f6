"""Figure 10: see the caption in ode2rnn.derivation.gating_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.gating_figures import draw_gates, gates_data

SECTION = "The Vanilla LSTM Network Mechanism in Detail"
EQUATIONS = ("L1", "L2", "L4", "L5", "L6")
CLAIM = "The gates of a trained LSTM lie between 0 and 1 and move with the series."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return gates_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_gates(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The range of every gate, and how much each moves over time."""
    gates = {name: data["parts"][name] for name in ("g_cs", "g_cu", "g_cr")}
    inside = all(bool(((g >= 0) & (g <= 1)).all()) for g in gates.values())
    moves = {name: float(np.ptp(g, axis=0).max()) for name, g in gates.items()}
    words = ", ".join(f"{name} by {move:.2f}" for name, move in moves.items())
    return Finding("in [0, 1], moving by 0.1 or more", words, inside and min(moves.values()) > 0.1)
