"""The gates of a small LSTM that was trained on the series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from figure_training import fit_on_one_thread
from ode2rnn.core.arrays import to_numpy
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.plotting import add_legend, new_axes, plot_gates
from ode2rnn.training import Sequences

if TYPE_CHECKING:
    pass

SECTION = "The Vanilla LSTM Network Mechanism in Detail"
EQUATIONS = ("L1", "L2", "L4", "L5", "L6")
CLAIM = "The gates of a trained LSTM lie between 0 and 1 and move with the series."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes
UNITS = 4
SHOWN = 100  # samples of the series in the picture of the gates
LONGEST = 400  # samples that its LSTM is trained on
GATES_EPOCHS = 300
CAPTION = (
    f"The gates of a Vanilla LSTM of {UNITS} units over time (L1 to L6). It was trained on the series itself to say"
    " the next value; the top row is what it learned, not a forecast to be judged."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """A small LSTM learns to say the next value of the series; everything in it, over the last samples."""
    experiment = experiment or sunspots(quick)
    from ode2rnn.nn import VanillaLSTM
    from ode2rnn.training.networks import Recurrent, seeded

    x = experiment.x[:, :1][-LONGEST:]
    t = experiment.series.t[: experiment.samples][-LONGEST:]
    model = seeded(lambda: Recurrent(VanillaLSTM(1, UNITS, forget_bias=1.0), 1, each_step=True), 0)
    data = Sequences(x[:-1, None], x[1:, None])  # one sequence, and a target at every step
    fit_on_one_thread(model, data, GATES_EPOCHS, 1e-2)
    gates = model.get_submodule("layer").cell().gates(x)  # type: ignore[operator]
    last = slice(max(0, len(x) - SHOWN), None)
    parts = ("g_cs", "g_cu", "g_cr", "s", "v")
    readout = {name: to_numpy(W) for name, W in model.get_submodule("readout").named_parameters()}
    said = to_numpy(gates.v) @ readout["weight"].T + readout["bias"]
    return {
        "t": t[last],
        "x": x[last, 0],
        "forecast": np.concatenate([x[:1], said[:-1]])[last, 0],
        "parts": {name: to_numpy(getattr(gates, name))[last] for name in parts},
        "name": experiment.series.name,
        "unit": experiment.series.unit_of_time,
    }


def draw(data: dict[str, Any]) -> Any:
    """The series and its forecast above, then the gates, the state and the readout."""
    words = {
        "g_cs": "g_cs\nforget gate",
        "g_cu": "g_cu\ninput gate",
        "g_cr": "g_cr\noutput gate",
        "s": "state s",
        "v": "readout v",
    }
    figure, axes = new_axes(7.6, 6.8, 1 + len(words), 1, sharex=True, height_ratios=[1.4, 1, 1, 1, 1.2, 1])
    top, *below = axes
    top.plot(data["t"], data["x"], color="0.15", lw=1.5, label="series, standardized")
    top.plot(data["t"], data["forecast"], color="#D55E00", lw=1.2, ls="--", label="LSTM, from the value before")
    top.set_ylabel(data["name"], parse_math=False)  # a name may hold a dollar
    add_legend(top, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))
    plot_gates(below, data["t"], {words[name]: values for name, values in data["parts"].items()})
    add_legend(below[0], ncols=UNITS, loc="lower right", bbox_to_anchor=(1.0, 0.96))
    axes[-1].set_xlabel(f"time ({data['unit']})")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The range of every gate, and how much each moves over time."""
    gates = {name: data["parts"][name] for name in ("g_cs", "g_cu", "g_cr")}
    inside = all(bool(((g >= 0) & (g <= 1)).all()) for g in gates.values())
    moves = {name: float(np.ptp(g, axis=0).max()) for name, g in gates.items()}
    words = ", ".join(f"{name} by {move:.2f}" for name, move in moves.items())
    return Finding("in [0, 1], moving by 0.1 or more", words, inside and min(moves.values()) > 0.1)
