"""Figure 6, on the yearly sunspot series: see the caption in ode2rnn.derivation.unrolling_figures."""

from typing import Any

from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.derivation.unrolling_figures import draw_truncation, truncation_data

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U4", "U5")
CLAIM = "The truncation error stays below its bound and falls like rate^K; where memory does not fade, it stays."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of the figure."""
    return truncation_data(sunspots(quick))


def draw(data: dict[str, Any]) -> Any:
    """The figure."""
    return draw_truncation(data)


def verdict(data: dict[str, Any]) -> Finding:
    """Whether the error is below the bound for every K, and what is left of it; the latch's is not gone."""
    below = bool((data["error"] <= data["bound"] * (1 + 1e-9) + 1e-12).all())
    left, latch = float(data["error"][-1] / data["error"][0]), float(data["latch"][-1] / data["latch"][0])
    measured = f"error {left:.0e} of its first value, latch {latch:.2f}"
    return Finding("error below bound, latch above 0.5", measured, below and left < 0.05 and latch > 0.5)
