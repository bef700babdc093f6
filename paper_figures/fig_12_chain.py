"""What bounds the state on the way from the canonical RNN to the LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.transition import chain, computed
from ode2rnn.plotting import COLOURS, new_axes

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("T1", "T2", "T3", "T4", "T5", "T6")
CLAIM = "Gates and a warped update bound the state; with all of it kept there is no bound that stays."
STEPS = {
    "T1": "T1 the RNN in two terms",
    "T2": "T2 all of the state kept",
    "T3": "T3 gates on both terms",
    "T4": "T4 the update warped",
    "T5": "T5 the readout gated",
    "T6": "T6 gates computed: the LSTM",
}
SHOWN = 150  # samples of the series
CAPTION = (
    "From the canonical RNN to the LSTM, one idea at a time (T1 to T6): the first state on the series, and dashed"
    " the bound that its cell guarantees for inputs of this size. T2 has none that stays; gates give one (T3), a"
    " warped update makes it independent of the weights and the input (T4, T5)."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """The first state of every step on the series, with the bound that its gates give."""
    experiment = experiment or sunspots(quick)
    x = experiment.x[:SHOWN]
    cells = chain(experiment) | {"T6": computed(experiment)}
    largest = float(np.abs(x).max())
    ticks = np.arange(1, len(x) + 1)
    return {
        "t": experiment.series.t[: len(x)],
        "s": {name: run(cell, x).s[:, 0] for name, cell in cells.items()},
        "v": {name: run(cells[name], x).r[:, 0] for name in ("T5", "T6")},
        "bound": {name: np.array([cells[name].bound(int(n), largest)[0] for n in ticks]) for name in list(cells)[1:]},
        "name": experiment.series.name,
        "unit": experiment.series.unit_of_time,
    }


def draw(data: dict[str, Any]) -> Any:
    """A panel a step: the state, its bound, and the readout where it is gated."""
    figure, axes = new_axes(11, 6.2, 2, 3, sharex=True)
    for ax, (name, title) in zip(axes.flat, STEPS.items(), strict=True):
        s = data["s"][name]
        ax.plot(data["t"], s, color=COLOURS[0], lw=1.3, label="state $s_1$")
        if name in data["v"]:
            ax.plot(data["t"], data["v"][name], color=COLOURS[1], lw=1.1, label="readout $v_1$")
        reach = 1.25 * max(float(np.abs(s).max()), 1e-3)
        if name in data["bound"]:
            bound = data["bound"][name]
            ax.plot(data["t"], bound, "--", color="0.3", lw=1, label="its bound")
            ax.plot(data["t"], -bound, "--", color="0.3", lw=1)
            reach = max(reach, min(1.15 * float(bound[-1]), 3 * reach))
        ax.set_ylim(-reach, reach)
        ax.set_title(title, fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel(f"time ({data['unit']})")
    figure.legend(*axes[1, 1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"From the RNN to the LSTM, on the series {data['name']}", fontsize=11, parse_math=False)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every state is within its bound, and how the bounds of T2 and T4 end."""
    within = all(bool((np.abs(data["s"][name]) <= bound * (1 + 1e-9)).all()) for name, bound in data["bound"].items())
    kept, warped = (float(data["bound"][name][-1] / data["bound"][name][len(data["t"]) // 2]) for name in ("T2", "T4"))
    measured = f"within: {within}; over the second half T2 grows by {kept:.2f}, T4 by {warped:.3f}"
    return Finding("within; T2 doubles, T4 stays", measured, within and kept > 1.9 and warped < 1.05)
