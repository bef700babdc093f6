"""Figure 8, on the yearly sunspot series: see the caption in ode2rnn.derivation.gradient_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.gradient_figures import draw_flow, flow_data
from ode2rnn.derivation.gradients import PRINTED

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B4", "B5")
CLAIM = "Products of Jacobians vanish or explode; 0.9^100 is 2.656e-05, where the slides print 0.000017."
TOLERANCE = 2e-2  # the exponent of a chaotic cell depends on the order of rounding


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return flow_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_flow(data)


def verdict(data: dict[str, Any]) -> Finding:
    """The scalar product over 100 samples, and the singular values 0.8 and 1.25 over as many."""
    value = float(np.exp(data["scalar"][100]))
    rates = [float(np.exp(np.diff(data[name]).mean())) for name in ("vanishing", "exploding")]
    holds = abs(value - 0.9**100) < 1e-12 and np.allclose(rates, [0.8, 1.25])
    measured = f"{value:.4g} (the slides print {PRINTED:f}), factors {rates[0]:.3f} and {rates[1]:.3f} a sample"
    return Finding(f"{0.9**100:.4g}; 0.8 and 1.25", measured, bool(holds))
