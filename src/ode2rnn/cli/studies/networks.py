"""The networks that the studies compare, by name, and how wide each is for a given number of weights.

Uses: D8, L1, X1, S1, S3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ode2rnn.core.arrays import check_choice, check_count
from ode2rnn.nn import GRU, AugmentedLSTM, StandardRNN, VanillaLSTM
from ode2rnn.training import Task
from ode2rnn.training.networks import FeedForward, Recurrent, seeded

CONTEXT = 2  # samples of the input that the AugmentedLSTM sees at once


class Shape(NamedTuple):
    """What a task asks of a network: T, m, o, and whether every step has an output."""

    length: int
    inputs: int
    outputs: int
    each_step: bool


def shape_of(task: Task) -> Shape:
    """The shape of a task."""
    length, _, inputs = task.train.x.shape
    return Shape(length, inputs, task.outputs, task.train.each_step)


@dataclass(frozen=True)
class Kind:
    """A kind of network: its name in tables, and a layer (inputs, hidden, open) that goes under a linear readout."""

    title: str
    layer: Callable[[int, int, float], torch.nn.Module] | None

    def build(self, shape: Shape, hidden: int, open: float = 1.0) -> torch.nn.Module:
        """A new network with ``hidden`` units; ``open`` is the bias that the gates which keep the state start with."""
        length, inputs, outputs, each_step = shape
        if self.layer is None:
            return FeedForward(length, inputs, hidden, outputs, each_step)
        return Recurrent(self.layer(inputs, hidden, open), outputs, each_step)

    def weights(self, shape: Shape, hidden: int) -> int:
        """How many weights that network has."""
        return sum(p.numel() for p in seeded(lambda: self.build(shape, hidden), 0).parameters())

    def units(self, shape: Shape, weights: int) -> int:
        """The hidden units with which the number of weights is nearest to ``weights``."""
        above = 1
        while self.weights(shape, above) < weights:
            above *= 2
        below = above // 2  # fewer weights than asked, or no unit at all
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if self.weights(shape, middle) < weights else (below, middle)
        return min(max(below, 1), above, key=lambda units: abs(self.weights(shape, units) - weights))


def _standard(inputs: int, hidden: int, open: float) -> torch.nn.Module:
    return StandardRNN(inputs, hidden)


def _gru(inputs: int, hidden: int, open: float) -> torch.nn.Module:
    layer = GRU(inputs, hidden)
    torch.nn.init.constant_(layer.get_parameter("b_z_l0"), open)
    return layer


def _vanilla(inputs: int, hidden: int, open: float) -> torch.nn.Module:
    return VanillaLSTM(inputs, hidden, forget_bias=open)


def _no_peepholes(inputs: int, hidden: int, open: float) -> torch.nn.Module:
    return VanillaLSTM(inputs, hidden, peephole=None, forget_bias=open)


def _augmented(inputs: int, hidden: int, open: float) -> torch.nn.Module:
    return AugmentedLSTM(inputs, hidden, context=CONTEXT, proj_size=(hidden + 1) // 2, forget_bias=open)


KINDS = {
    "rnn": Kind("StandardRNN", _standard),
    "gru": Kind("GRU", _gru),
    "lstm": Kind("VanillaLSTM", _vanilla),
    "no-peepholes": Kind("LSTM no peepholes", _no_peepholes),
    "augmented": Kind("AugmentedLSTM", _augmented),
    "feed-forward": Kind("feed-forward", None),
}


def check_networks(names: Sequence[str] | None) -> list[str]:
    """Names of ``KINDS``, each once; None for all.

    Raises:
        ValueError: an unknown name, one given twice, or none.
    """
    if names is None:
        return list(KINDS)
    if isinstance(names, str) or not names:
        raise ValueError(f"networks: expected a list of names among {', '.join(KINDS)}, got {names!r}")
    chosen = [check_choice("networks", name, KINDS) for name in names]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"networks: expected each name once, got {', '.join(chosen)}")
    return chosen


def units_for(name: str, shape: Shape, hidden: int | None, weights: int) -> int:
    """``hidden`` where it is given, else the units that give nearly ``weights`` weights."""
    if hidden is not None:
        return check_count("hidden", hidden)
    return KINDS[name].units(shape, check_count("weights", weights))
