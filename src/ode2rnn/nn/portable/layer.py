"""Layers from cells and back, and their files; the base of all layers here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from ode2rnn.core.arrays import brief, is_torch
from ode2rnn.nn.layer.weights import copy_into
from ode2rnn.nn.portable import saving
from ode2rnn.nn.portable.keras import KerasLayer


class PortableLayer(KerasLayer):
    """A layer with its counterparts, in torch, in Keras, and as a cell that `run` steps, ``cell_type``."""

    cell_type: ClassVar[Any]  # the class of its cells

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
        copy_into(layer, "_l0", {letter: getattr(cell, letter) for letter in cls.letters})
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
