"""What each extension of the Augmented LSTM adds: which inputs a readout depends on, and what a pulse changes."""

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Finding
from ode2rnn.derivation.figure_cells import extended_cells, input_sensitivity, response_difference
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "Extensions to the Vanilla LSTM Network"
EQUATIONS = ("X1", "X2", "X3", "X7")
CLAIM = (
    "With a window of L inputs a readout depends on L - 1 inputs to come, and on none after them; without it on none."
)
SEED = 0
PULSE = 1.0


def data(quick: bool = False) -> dict[str, Any]:
    """For each cell |d v[n] / d x[l]| over the lag n - l, and what a pulse changes in the state and the readout."""
    half = 16 if quick else 30
    x = 0.7 * np.random.default_rng(SEED).standard_normal((2 * half + 1, 1))
    found: dict[str, Any] = {"lag": half - np.arange(len(x)), "sensitivity": {}, "state": {}, "readout": {}}
    for name, cell in extended_cells().items():
        found["sensitivity"][name] = input_sensitivity(cell, x, half)
        response = response_difference(cell, x, half, PULSE)
        found["state"][name], found["readout"][name] = response["s"], response["v"]
    return found


def draw(data: dict[str, Any]) -> Any:
    """Left the inputs that a readout sees, middle and right the response to a pulse."""
    figure, (left, middle, right) = new_axes(15, 4.8, 1, 3)
    after = -data["lag"]
    left.axvspan(-2.5, -0.5, color=COLOURS[4], alpha=0.15, lw=0)
    left.text(-1.5, 0.02, "to come", ha="center", transform=left.get_xaxis_transform(), fontsize=9)
    for k, name in enumerate(data["sensitivity"]):
        style: Any = {"color": COLOURS[k], "ms": 6 - k, "mfc": "none", "lw": 1.2, "label": name}
        seen = data["sensitivity"][name]
        shown = (seen > 0) & (data["lag"] >= -4) & (data["lag"] <= 16)
        left.semilogy(data["lag"][shown], seen[shown], "o-", **style)
        for ax, part in ((middle, "state"), (right, "readout")):
            near = (after >= -4) & (after <= 16)
            ax.plot(after[near], data[part][name][near], "o-", **style)
    left.invert_xaxis()
    left.set(xlabel="lag n - l", ylabel="|d v[n] / d x[l]|", title="The inputs that a readout depends on")
    middle.set(xlabel="samples after the pulse", ylabel="change of |s|", title="What a pulse changes in the state")
    right.set(xlabel="samples after the pulse", ylabel="change of |v|", title="... and in the readout")
    for ax in (left, middle, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    add_legend(right)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The first and the last lag at which an input matters, cell by cell."""
    ahead = {name: int(-data["lag"][seen > 0].min()) for name, seen in data["sensitivity"].items()}
    expected = {name: 2 if "L = 3" in name else 0 for name in ahead}
    words = ", ".join(f"{name}: {steps}" for name, steps in ahead.items())
    return Finding("2 samples ahead with L = 3, else 0", words, ahead == expected)
