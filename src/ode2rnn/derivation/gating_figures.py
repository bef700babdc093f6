"""The figures of what gating buys: the gates of an LSTM on the series, and where gradients go with and without gates.

Uses: B4, L1, L2, L4, L5, L6, T7, X1, S5, S6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ode2rnn.analysis.gradient_flow import GradientFlow, gradient_flow
from ode2rnn.core.arrays import to_numpy
from ode2rnn.derivation.claim import Experiment
from ode2rnn.derivation.figures import Picture
from ode2rnn.training import Sequences, adding, fit

if TYPE_CHECKING:
    import torch

UNITS = 4
SHOWN = 100  # samples of the series in the picture of the gates
LONGEST = 400  # samples that its LSTM is trained on
GATES_EPOCHS = 300
LENGTH = 40  # of the adding problem
FLOW_EPOCHS = 12
OPEN = 3.0  # bias of the gates that keep the state
SEED = 0


def gates_data(experiment: Experiment) -> dict[str, Any]:
    """A small LSTM learns to say the next value of the series; everything in it, over the last samples."""
    from ode2rnn.nn import VanillaLSTM
    from ode2rnn.training.networks import Recurrent, seeded

    x = experiment.x[:, :1][-LONGEST:]
    t = experiment.series.t[: experiment.samples][-LONGEST:]
    model = seeded(lambda: Recurrent(VanillaLSTM(1, UNITS, forget_bias=1.0), 1, each_step=True), 0)
    data = Sequences(x[:-1, None], x[1:, None])  # one sequence, and a target at every step
    _fit(model, data, GATES_EPOCHS, 1e-2)
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


def draw_gates(data: dict[str, Any]) -> Any:
    """The series and its forecast above, then the gates, the state and the readout."""
    from ode2rnn.plotting import add_legend, new_axes, plot_gates

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


def networks() -> dict[str, Callable[[], torch.nn.Module]]:
    """Four layers over two inputs, under a linear readout, with about 1,160 weights each."""
    from ode2rnn import nn
    from ode2rnn.training.networks import Recurrent

    def gru() -> torch.nn.Module:
        layer = nn.GRU(2, 18)
        layer.b_z_l0.data.fill_(OPEN)
        return Recurrent(layer, 1)

    return {
        "standard RNN": lambda: Recurrent(nn.StandardRNN(2, 32), 1),
        "GRU": gru,
        "Vanilla LSTM": lambda: Recurrent(nn.VanillaLSTM(2, 12, forget_bias=OPEN), 1),
        "Augmented LSTM": lambda: Recurrent(nn.AugmentedLSTM(2, 11, context=2, proj_size=6, forget_bias=OPEN), 1),
    }


def flows_data(experiment: Experiment) -> dict[str, Any]:
    """Gradient flow through four networks before and after they were trained to add two numbers, 50 steps long."""
    from ode2rnn.training.networks import seeded

    task = adding(LENGTH, train=2000, validation=200, test=10)
    before: dict[str, GradientFlow] = {}
    after: dict[str, GradientFlow] = {}
    losses = {}
    for name, build in networks().items():
        model = seeded(build, SEED)
        before[name] = gradient_flow(model.layer, task.test.x[:, 0])
        result = _fit(model, task.train, FLOW_EPOCHS, 2e-2 if name != "standard RNN" else 3e-3, task.validation)
        after[name] = gradient_flow(model.layer, task.test.x[:, 0])
        losses[name] = result.best_loss
    return {"before": before, "after": after, "losses": losses}


def draw_flows(data: dict[str, Any]) -> Any:
    """A row before the training, a row after it."""
    from ode2rnn.plotting import draw_gradient_flows

    named = {f"{name} (mse {loss:.1g})": data["after"][name] for name, loss in data["losses"].items()}
    return draw_gradient_flows({"Before training": data["before"], "Trained to add": named})


def _fit(
    model: torch.nn.Module, train: Sequences, epochs: int, rate: float, validation: Sequences | None = None
) -> Any:
    """Train on one thread, whatever the machine: the same picture every time."""
    import torch

    adam, before = torch.optim.Adam(model.parameters(), lr=rate), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        other = train if validation is None else validation
        return fit(model, train, other, optimizer=adam, epochs=epochs, batch=50, clip=1.0, progress=False)
    finally:
        torch.set_num_threads(before)


GATING_PICTURES: tuple[Picture, ...] = (
    Picture(
        "gates",
        f"The gates of a Vanilla LSTM of {UNITS} units over time (L1 to L6). It was trained on the series itself to say"
        " the next value; the top row is what it learned, not a forecast to be judged.",
        gates_data,
        draw_gates,
    ),
    Picture(
        "gating_flow",
        "Where gradients go with and without gates (B4, T7), in networks of as many weights, before and after training"
        f" on the adding problem, {LENGTH} steps long. Left: the norm of d s[n] / d s[l] from the first sample on, and"
        " dashed that of the carousel prod g_cs alone. Right: |psi[n]| for an error at the last sample. One seed each.",
        flows_data,
        draw_flows,
    ),
)
