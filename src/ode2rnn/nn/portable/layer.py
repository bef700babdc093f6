"""What brings a layer from elsewhere and takes it there: torch's layers, Keras's weights, cells, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from ode2rnn.core.arrays import brief, is_torch
from ode2rnn.nn.layer import weights as exchange
from ode2rnn.nn.layer.recurrent import RecurrentLayer
from ode2rnn.nn.portable import keras, saving


class PortableLayer(RecurrentLayer):
    """A layer with its counterparts: ``torch_type``, the layer of Keras, and ``cell_type``, which `run` steps."""

    torch_type: ClassVar[type[torch.nn.RNNBase]]
    torch_options: ClassVar[tuple[str, ...]] = ()  # the arguments of torch_type beside those that all share
    keras_order: ClassVar[tuple[int, ...]]  # Keras's k-th block is torch's keras_order[k]-th
    cell_type: ClassVar[Any]

    def _refuse(self, whose: str) -> None:
        """Raise a ValueError for an argument that ``whose`` layer, torch's or Keras's, has not."""

    @classmethod
    def _blank(cls, options: Mapping[str, Any], **given: Any) -> Self:
        """A layer with weights 0, to be filled from another's: the ``given`` arguments and the caller's ``options``."""
        layer = cls(**given, **options)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.zero_()
        return layer

    @property
    def _bias_rows(self) -> int:
        """How many rows the bias of Keras's layer has."""
        return 1

    @classmethod
    def from_torch(cls, module: torch.nn.RNNBase, **options: Any) -> Self:
        """The layer that computes what torch's layer of this kind does, with a copy of its weights, and its mode.

        Args:
            module: a torch.nn.RNN, LSTM or GRU.
            options: arguments that torch's layer has not; the weights they bring are 0.

        Raises:
            ValueError: another kind of module, options with which the layer would compute something else.
        """
        return exchange.from_torch(cls, module, options)

    def to_torch(self) -> Any:
        """A layer of torch that computes the same, with a copy of the weights; the biases become its bias_ih.

        Raises:
            ValueError: what torch's layer has not, by name.
        """
        return exchange.to_torch(self)

    @classmethod
    def from_keras(cls, weights: Sequence[Any], **options: Any) -> Self:
        """The layer that computes what a layer of Keras does, from its get_weights().

        Args:
            weights: kernel (m, k u), recurrent_kernel (u, k u) and, unless use_bias is False, bias (k u,), k being 1
                for SimpleRNN, 4 for LSTM (blocks i, f, c, o), 3 for GRU (z, r, h; the bias (2, 3 u) if reset_after).
                For Bidirectional those of the forward layer and then the backward one; layer after layer for a stack.
            options: arguments of the layer, such as num_layers=2 or bidirectional=True. batch_first is True unless
                given, and the dtype that of the arrays.

        Raises:
            ValueError: a wrong number of arrays, shapes that do not fit, NaN; as the layer itself.
        """
        return keras.from_keras(cls, weights, options)

    def to_keras(self) -> list[Any]:
        """What set_weights() of the layer of Keras that computes the same takes; as from_keras for a stack.

        Raises:
            ValueError: what the layer of Keras has not, by name.
        """
        return keras.to_keras(self)

    def cell(self, layer: int = 0, reverse: bool = False) -> Any:
        """One recursion of the stack as a cell, which run() steps; it shares the weights, with gradients.

        What is not there, a bias or W_s, is 0 in the cell.

        Raises:
            ValueError: no such layer or direction.
        """
        suffix = self.place(layer, reverse)
        weights = {letter: getattr(self, letter + suffix) for letter in self.letters}
        if not self.bias:
            zero = self._like.new_zeros(self.hidden_size)
            biases = [letter for letter in self.letters if not letter.startswith("W_")]
            weights |= {letter: zero for letter in biases if letter not in self._unused}
        return self.cell_type(**weights, **self._of_cell(), dt=self.dt)

    def _of_cell(self) -> dict[str, Any]:
        """The arguments of the cell beside its weights and dt."""
        return {}

    @classmethod
    def from_cell(cls, cell: Any, batch_first: bool = False) -> Self:
        """The layer with a copy of the weights of a cell.

        Raises:
            ValueError: another kind of cell than :meth:`cell` gives.
        """
        if not isinstance(cell, cls.cell_type):
            raise ValueError(f"cell: expected a {cls.cell_type.__name__}, a cell, got {brief(cell)}")
        own = cls._from_cell(cell)
        like = cell.like if is_torch(cell.like) else torch.zeros((), dtype=torch.float64)
        given = {"input_size": cell.input_width, "hidden_size": cell.width, "dt": cell.dt}
        layer = cls(**given, **own, batch_first=batch_first, device=like.device, dtype=like.dtype)
        exchange.copy_into(layer, "_l0", {letter: getattr(cell, letter) for letter in cls.letters})
        return layer

    @classmethod
    def _from_cell(cls, cell: Any) -> dict[str, Any]:
        """The arguments of the layer that are its own, from a cell of its kind, checked."""
        return {}

    def save(self, path: str | Path) -> Path:
        """Write weights and arguments to ``path``, whole or not at all: safetensors, with JSON in its header.

        Raises:
            ValueError: a name that does not end in .safetensors, an activation that is not registered.
        """
        return saving.save(self, path)
