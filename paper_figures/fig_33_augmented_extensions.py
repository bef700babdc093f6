"""What each extension of the Augmented LSTM adds: which inputs a readout depends on, and what a pulse changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from figure_cells import random_weights
from ode2rnn.derivation.claim import Finding
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.vanilla import LETTERS as VANILLA_LETTERS
from ode2rnn.plotting import COLOURS, add_legend, new_axes
from ode2rnn.training.gradients.bptt import bptt

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


def extended_cells() -> dict[str, AugmentedLSTM]:
    """A Vanilla LSTM, and the same with one extension of the Augmented LSTM at a time."""
    letters = random_weights(VANILLA_LETTERS, 6, 1, seed=1)
    base = AugmentedLSTM(**letters | {"b_cs": np.full(6, 2.0)})
    rng = np.random.default_rng(2)
    inputs = [field.name for field in fields(base) if field.name.startswith("W_x")]
    windows: dict[str, Any] = {
        name: np.stack([getattr(base, name), *(0.25 * rng.standard_normal((2, 6, 1)))])
        for name in inputs
        if getattr(base, name) is not None
    }
    external = random_weights(("W_xcx", "W_scx", "W_vcx", "b_cx"), 6, 1, seed=3)
    narrow: dict[str, Any] = {name: getattr(base, name)[:, :2] for name in ("W_vcu", "W_vcs", "W_vdu", "W_vcr")}
    return {
        "none: Vanilla LSTM": base,
        "context window, L = 3": replace(base, **windows),
        "external gate": replace(base, **external | {"b_cx": external["b_cx"] - 1.0}),
        "projection, d_v = 2": replace(base, **narrow, W_qdr=rng.standard_normal((2, 6)) / 2),
    }


def input_sensitivity(cell: AugmentedLSTM, x: np.ndarray, n: int) -> np.ndarray:
    """|d v[n] / d x[l]| for every l, (N,), by back-propagation through time of every readout at n."""
    width = cell.readout_width
    rows: list[np.ndarray] = []
    for k in range(width):
        v_bar = np.zeros((len(x), width))
        v_bar[n, k] = 1.0
        rows.append(bptt(cell, x, v_bar).x_bar)
    return np.sqrt(np.sum(np.square(rows), axis=(0, 2)))


def response_difference(cell: AugmentedLSTM, x: np.ndarray, at: int, size: float) -> Mapping[str, np.ndarray]:
    """What a pulse of ``size`` in x[at] changes in |s[n]| and |v[n]|, each (N,)."""
    moved = x.copy()
    moved[at] += size
    before, after = cell.gates(x), cell.gates(moved)
    return {name: np.linalg.norm(getattr(after, name) - getattr(before, name), axis=-1) for name in ("s", "v")}
