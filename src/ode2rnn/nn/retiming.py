"""A trained layer at another sampling step.  Uses: D11, K3."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ode2rnn.core.arrays import brief, check_divides, check_positive
from ode2rnn.discrete.schemes import retime, retimed
from ode2rnn.nn.layer.packed import State
from ode2rnn.nn.layer.recurrent import RecurrentLayer


class RetimedLayer(torch.nn.Module):
    """A layer whose recursions are sampled with the step dt in place of layer.dt, their delays kept (D11, K3).

    ``retime(layer, dt)`` makes it. It has the call and the shapes of the layer; inputs are dt apart, so that a sequence
    of N samples becomes one of N m, m = layer.dt / dt. In a stack every recursion is retimed. The weights are those of
    the layer itself, with gradients: what is trained further changes both.

    Args:
        layer: an nn.CanonicalRNN or nn.VanillaLSTM of one direction.
        dt: the new step, which must divide layer.dt.

    The recursions reach back m samples. A run starts as if hx had stood for that long, and what it returns beside the
    output is the last sample alone.

    Raises:
        ValueError: another layer, one of both directions, a dt that does not divide layer.dt; weights that belong to no
            sampled equation (nn.StandardRNN, a singular W_s).
    """

    def __init__(self, layer: RecurrentLayer, dt: float) -> None:
        super().__init__()
        if layer.bidirectional:
            raise ValueError("layer: expected one direction, since an equation runs forward, got bidirectional=True")
        self.layer, self.dt = layer, check_positive("dt", dt)
        self.lag = check_divides(self.dt, layer.dt)
        self.input_size, self.hidden_size, self.num_layers = layer.input_size, layer.hidden_size, layer.num_layers
        self.batch_first, self.bidirectional = layer.batch_first, False
        self._cells()

    def _cells(self) -> list[Any]:
        return [retime(self.layer.cell(k), self.dt) for k in range(self.num_layers)]

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """The readouts of the top layer at every tick of length dt, and the last state of each recursion.

        Raises:
            ValueError: an input or hx of the wrong kind, shape, dtype or device; a PackedSequence.
        """
        if not isinstance(input, Tensor):
            raise ValueError(f"input: expected a tensor, got {brief(input)}")
        R, last = self.layer._over_batch(self._stack, input, hx)
        return R, last[0] if len(last) == 1 else last

    def _stack(self, x: Tensor, start: State) -> tuple[Tensor, State]:
        """The recursions one above the other, over a batch."""
        lasts = []
        for k, cell in enumerate(self._cells()):
            if k and self.layer.dropout:
                x = torch.nn.functional.dropout(x, self.layer.dropout, self.training)
            state, outputs = _memory(cell, tuple(value[k] for value in start)), []
            for row in x:
                state = cell.step(state, row)
                outputs.append(cell.readout(state)[1])
            s, r = cell.readout(state)
            x = torch.stack(outputs)
            lasts.append((r, s) if len(start) == 2 else (s,))
        return x, tuple(torch.stack(values) for values in zip(*lasts, strict=True))

    def extra_repr(self) -> str:
        """The step and the lag."""
        return f"dt={self.dt:g}, lag={self.lag}"


def _memory(cell: Any, start: tuple[Tensor, ...]) -> Any:
    """The cell's memory where the layer's state (h, c) = (v, s), or s, has stood for ever."""
    if len(start) == 1:
        return cell.init(start[0])
    v, s = start
    return cell.remember(lambda n: s, lambda n: v)


@retimed.register
def _retimed(layer: RecurrentLayer, dt: Any) -> RetimedLayer:
    return RetimedLayer(layer, dt)


@retimed.register
def _again(layer: RetimedLayer, dt: Any) -> RetimedLayer:
    return RetimedLayer(layer.layer, dt)
