"""Figure 14: see the caption in ode2rnn.derivation.retiming_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.retiming_figures import draw_retiming, retiming_data

SECTION = "The Roots of RNN"
EQUATIONS = ("D11", "K3", "K4")
CLAIM = "Networks trained at one step run at finer ones, and converge to their own delay equations at order 1."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return retiming_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_retiming(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The fitted orders."""
    orders = data["orders"]
    words = ", ".join(f"{name} {order:.2f}" for name, order in orders.items())
    return Finding("1 +- 0.2", words, float(np.abs(np.subtract(list(orders.values()), 1)).max()) <= 0.2)
