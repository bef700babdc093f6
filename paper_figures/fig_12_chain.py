"""Figure 12: see the caption in ode2rnn.derivation.transition_figures."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.transition_figures import chain_data, draw_chain

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("T1", "T2", "T3", "T4", "T5", "T6")
CLAIM = "Gates and a warped update bound the state; with all of it kept there is no bound that stays."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return chain_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_chain(data)


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every state is within its bound, and how the bounds of T2 and T4 end."""
    within = all(bool((np.abs(data["s"][name]) <= bound * (1 + 1e-9)).all()) for name, bound in data["bound"].items())
    kept, warped = (float(data["bound"][name][-1] / data["bound"][name][len(data["t"]) // 2]) for name in ("T2", "T4"))
    measured = f"within: {within}; over the second half T2 grows by {kept:.2f}, T4 by {warped:.3f}"
    return Finding("within; T2 doubles, T4 stays", measured, within and kept > 1.9 and warped < 1.05)
