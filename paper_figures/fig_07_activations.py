"""Figure 7, on the yearly sunspot series: see the caption in ode2rnn.derivation.gradient_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.gradient_figures import activations_data, draw_activations

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B5",)
CLAIM = "The slope of the sigmoid is at most 1/4, of tanh and ReLU at most 1."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return activations_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_activations(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The largest slopes."""
    largest = {name: float(slope.max()) for name, slope in data["slope"].items()}
    holds = np.allclose(list(largest.values()), [0.25, 1.0, 1.0])
    return Finding("1/4, 1, 1", ", ".join(f"{name} {value:.4f}" for name, value in largest.items()), bool(holds))
