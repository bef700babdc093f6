"""Gradient flow through networks with and without gates, before and after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from figure_training import fit_on_one_thread
from ode2rnn.analysis.memory.gradient_flow import GradientFlow, gradient_flow
from ode2rnn.derivation.claim import Experiment, Finding
from ode2rnn.plotting import draw_gradient_flows
from ode2rnn.training import adding

if TYPE_CHECKING:
    import torch

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("B4", "T7")
CLAIM = "Before any training, the error that arrives in gated networks is far larger than in a standard RNN."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes
LENGTH = 40  # of the adding problem
FLOW_EPOCHS = 12
OPEN = 3.0  # bias of the gates that keep the state
SEED = 0
CAPTION = (
    "Where gradients go with and without gates (B4, T7), in networks of as many weights, before and after training"
    f" on the adding problem, {LENGTH} steps long. Left: the norm of d s[n] / d s[l] from the first sample on, and"
    " dashed that of the carousel prod g_cs alone. Right: |psi[n]| for an error at the last sample. One seed each."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Gradient flow through four networks before and after they were trained to add two numbers, 50 steps long."""
    from ode2rnn.training.networks import seeded

    task = adding(LENGTH, train=2000, validation=200, test=10)
    before: dict[str, GradientFlow] = {}
    after: dict[str, GradientFlow] = {}
    losses = {}
    for name, build in networks().items():
        model = seeded(build, SEED)
        before[name] = gradient_flow(model.layer, task.test.x[:, 0])
        result = fit_on_one_thread(
            model, task.train, FLOW_EPOCHS, 2e-2 if name != "standard RNN" else 3e-3, task.validation
        )
        after[name] = gradient_flow(model.layer, task.test.x[:, 0])
        losses[name] = result.best_loss
    return {"before": before, "after": after, "losses": losses}


def draw(data: dict[str, Any]) -> Any:
    """A row before the training, a row after it."""
    named = {f"{name} (mse {loss:.1g})": data["after"][name] for name, loss in data["losses"].items()}
    return draw_gradient_flows({"Before training": data["before"], "Trained to add": named})


def verdict(data: dict[str, Any]) -> Finding:
    """What is left of an error at the longest lag, before the training and after it."""
    left = {
        when: {name: float((flow.log_norms[-1] - flow.log_norms[0]) / np.log(10)) for name, flow in data[when].items()}
        for when in ("before", "after")
    }
    gated = [value for name, value in left["before"].items() if name != "standard RNN"]
    words = ", ".join(
        f"{name} 10^{value:.1f} (after 10^{left['after'][name]:.1f})" for name, value in left["before"].items()
    )
    return Finding("gated above the standard RNN", words, min(gated) > left["before"]["standard RNN"])


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
