"""Figure 12 of the derivation, on the yearly sunspot series: see the caption in ode2rnn.derivation.transition_figures.

Run: python paper_figures/make_all.py
"""

from typing import Any

from ode2rnn import signals
from ode2rnn.derivation import Experiment
from ode2rnn.derivation.transition_figures import chain_data, draw_chain


def data() -> dict[str, Any]:
    """The arrays of the figure."""
    return chain_data(Experiment(signals.load_series("sunspots")))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_chain(data)
