"""Trained layers of torch as Systems.

Uses: D5, D8, L6, X3, S3.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch

from ode2rnn.core.arrays import brief
from ode2rnn.core.systems.parameters import entry
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.standard import StandardRNN
from ode2rnn.nn.gru import GRU
from ode2rnn.nn.layer.recurrent import RecurrentLayer
from ode2rnn.nn.lstm.augmented import AugmentedLSTM
from ode2rnn.nn.lstm.vanilla import VanillaLSTM
from ode2rnn.nn.simple.standard import StandardRNN as StandardLayer
from ode2rnn.nn.systems.stack import Stack

# what takes the readout back in, by the beginnings of its names: torch's, the RNNs', the gated layers'
FEEDS_BACK = ("weight_hh", "W_r_l", "W_v")


@dataclass(frozen=True, eq=False)
class LayerStack(Stack):
    """The stack of cells that a layer is.

    Args:
        cells: the lowest first.
        module: the layer.
    """

    module: torch.nn.Module

    def parameter(self, name: str) -> Callable[[float], System]:
        """The function that takes a value to the layer in which an entry of a parameter, or the "gain", has it.

        The names are those that the module has, as "weight_hh_l0[0, 1]"; the module itself is left as it is.

        Raises:
            ValueError: no such number.
        """
        base = deepcopy(self.module).double()
        held = {key: value.detach().clone() for key, value in base.named_parameters()}
        back = {key: value for key, value in held.items() if key.startswith(FEEDS_BACK)}
        if name != "gain":
            key, place = entry(name, held)

        def changed(p: float) -> System:
            layer = deepcopy(base)
            own = dict(layer.named_parameters())
            with torch.no_grad():
                if name == "gain":
                    for letter, value in back.items():
                        own[letter].copy_(p * value)
                else:
                    own[key][place] = p
            return system_of(layer)

        return changed


def system_of(module: torch.nn.Module) -> LayerStack:
    """Return a trained layer as a System, in double precision and in the mode of evaluation.

    Args:
        module: torch's RNN, LSTM, GRU or RNNCell, LSTMCell, GRUCell, or a layer of ode2rnn.nn, in one direction.

    Raises:
        ValueError: another module, or a layer in two directions: a tick of it is none, since it runs backwards, too.

    Example:
        >>> stack = system_of(torch.nn.LSTM(2, 3, num_layers=2))
        >>> stack.input_width, stack.parts()
        (2, (('h of layer 0', 3), ('h of layer 1', 3), ('c of layer 0', 3), ('c of layer 1', 3)))
    """
    if getattr(module, "bidirectional", False):
        raise ValueError("system: expected a layer in one direction; one that also runs backwards is no map")
    cells = next((make for kind, make in KINDS.items() if isinstance(module, kind)), None)
    if cells is None:
        raise ValueError(
            f"system: expected torch's RNN, LSTM or GRU, their cells, or a layer of ode2rnn.nn, got {brief(module)}; of"
            " another module (x, h) -> h say Map.from_module(module)"
        )
    with torch.no_grad():
        return LayerStack(tuple(cell.plain() for cell in cells(deepcopy(module).double())), module)


def _of_layer(layer: RecurrentLayer) -> list[System]:
    return [layer.cell(k) for k in range(layer.num_layers)]


def _of_standard(layer: StandardLayer) -> list[System]:
    """Its recursions by their readouts, since what torch calls h is the readout."""
    found: list[System] = []
    for k in range(layer.num_layers):
        c = layer.cell(k)
        found.append(StandardRNN(c.W_r, c.W_x, c.theta_s, c.dt, c.activation))
    return found


def _of_rnn(module: torch.nn.RNN) -> list[System]:
    return _of_standard(StandardLayer.from_torch(module))


def _of_lstm(module: torch.nn.LSTM) -> list[System]:
    return _of_layer((AugmentedLSTM if module.proj_size else VanillaLSTM).from_torch(module))


def _of_gru(module: torch.nn.GRU) -> list[System]:
    return _of_layer(GRU.from_torch(module))


def _of_cell(module: torch.nn.RNNCellBase) -> list[System]:
    """A cell of torch, as its layer with the same weights."""
    sizes = module.input_size, module.hidden_size
    options = {"nonlinearity": module.nonlinearity} if isinstance(module, torch.nn.RNNCell) else {}
    layer = LAYER_OF[type(module)](*sizes, bias=module.bias, dtype=torch.float64, **options)
    layer.load_state_dict({f"{name}_l0": value for name, value in module.state_dict().items()})
    return KINDS[type(layer)](layer)


# one table: what a module is, and the cells that it is made of
KINDS: dict[type, Callable[..., list[System]]] = {
    torch.nn.RNN: _of_rnn,
    torch.nn.LSTM: _of_lstm,
    torch.nn.GRU: _of_gru,
    torch.nn.RNNCellBase: _of_cell,
    StandardLayer: _of_standard,
    RecurrentLayer: _of_layer,
}
LAYER_OF = {torch.nn.RNNCell: torch.nn.RNN, torch.nn.LSTMCell: torch.nn.LSTM, torch.nn.GRUCell: torch.nn.GRU}
