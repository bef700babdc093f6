"""Networks for the tasks: a recurrent layer or a feed-forward net, each under a linear readout (torch modules)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ode2rnn.core.arrays import check_count, check_flag


class Recurrent(nn.Module):
    """A recurrent layer and a linear readout of its output.

    Args:
        layer: a module with the call of torch.nn.RNN, ``output, state = layer(x)``, and its attributes
            ``hidden_size`` and, where they apply, ``batch_first``, ``bidirectional``, ``proj_size``.
        outputs: o, the width of the readout.
        each_step: whether the readout is of every step or of the last one.

    Raises:
        ValueError: a layer without ``hidden_size``; one of both directions read at the last step only, where its
            backward half has seen one input.

    Shapes: x (T, N, m) -> (N, o), or (T, N, o) of each step.

    Example:
        >>> Recurrent(nn.RNN(2, 16), outputs=1)(torch.zeros(30, 8, 2)).shape
        torch.Size([8, 1])
    """

    def __init__(self, layer: nn.Module, outputs: int, each_step: bool = False) -> None:
        super().__init__()
        width = getattr(layer, "hidden_size", None)
        if not isinstance(layer, nn.Module) or not isinstance(width, int):
            raise ValueError(f"layer: expected a torch module with hidden_size, as torch.nn.RNN, got {layer!r:.60}")
        directions = 2 if getattr(layer, "bidirectional", False) else 1
        self.each_step = check_flag("each_step", each_step)
        if directions == 2 and not each_step:
            raise ValueError("layer: expected one direction where the last step is read, got bidirectional=True")
        self.layer = layer
        self.batch_first = bool(getattr(layer, "batch_first", False))
        like = next(layer.parameters())
        width = (getattr(layer, "proj_size", 0) or width) * directions
        self.readout = nn.Linear(width, check_count("outputs", outputs), dtype=like.dtype, device=like.device)

    def forward(self, x: Tensor) -> Tensor:
        """The readout of the layer's output for x (T, N, m)."""
        if self.batch_first:
            output = self.layer(x.transpose(0, 1))[0].transpose(0, 1)
        else:
            output = self.layer(x)[0]
        return self.readout(output if self.each_step else output[-1])


class FeedForward(nn.Module):
    """One hidden layer of tanh units that sees the whole sequence at once: the baseline of a recurrent net.

    It has weights for every step, so that its size grows with the length, and it takes no other length.

    Args:
        length, inputs: T and m of the sequences.
        hidden: units.
        outputs: o.
        each_step: whether there are outputs for every step.

    Shapes: x (T, N, m) -> (N, o), or (T, N, o).

    Uses: S1.

    Example:
        >>> FeedForward(30, 2, hidden=16, outputs=1)(torch.zeros(30, 8, 2)).shape
        torch.Size([8, 1])
    """

    def __init__(self, length: int, inputs: int, hidden: int, outputs: int, each_step: bool = False) -> None:
        super().__init__()
        self.length, self.inputs = check_count("length", length), check_count("inputs", inputs)
        self.outputs, self.each_step = check_count("outputs", outputs), check_flag("each_step", each_step)
        self.hidden = nn.Linear(self.length * self.inputs, check_count("hidden", hidden))
        self.readout = nn.Linear(hidden, self.outputs * (self.length if each_step else 1))

    def forward(self, x: Tensor) -> Tensor:
        """The outputs for x (T, N, m)."""
        if x.ndim != 3 or (x.shape[0], x.shape[2]) != (self.length, self.inputs):
            raise ValueError(f"x: expected shape ({self.length}, N, {self.inputs}), got {tuple(x.shape)}")
        output = self.readout(torch.tanh(self.hidden(x.transpose(0, 1).flatten(1))))
        if not self.each_step:
            return output
        return output.unflatten(1, (self.length, self.outputs)).transpose(0, 1)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module built with the initial weights that ``seed`` draws; the caller's random state stays as it was.

    Example:
        >>> a, b = (seeded(lambda: nn.RNN(1, 2), 7) for _ in range(2))
        >>> torch.equal(a.weight_hh_l0, b.weight_hh_l0)
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(check_count("seed", seed, 0))
        return build()
