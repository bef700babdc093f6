"""The weights of a layer, by the paper's letters and under torch's names.

torch keeps the blocks of a recursion in one matrix, and two biases where one would do: bias_hh is added to bias_ih, but
in the candidate of the GRU, whose reset gate acts on one of them alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ode2rnn.core.arrays import as_like, check_count, check_flag
from ode2rnn.nn.layer.computed import read_only


class WeightedLayer(torch.nn.Module):
    """What a stack of recursions is made of, before it runs.

    A subclass says what one recursion is: its weights (``_sizes``), what it remembers (``states``, ``_widths``,
    ``_rest``), and what torch calls its weights (``fused``).
    """

    letters: ClassVar[tuple[str, ...]] = ()  # the paper's names of the weights, in the order of the parameters
    states: ClassVar[tuple[str, ...]] = ("hx",)  # what a recursion remembers, as torch names it
    # torch's name of a weight -> the letters of the blocks it is made of; None for a bias that is merged with the other
    fused: ClassVar[Mapping[str, tuple[str | None, ...]]] = {}

    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    bidirectional: bool

    @property
    def _like(self) -> Tensor:
        """A weight, for its dtype and device."""
        return getattr(self, f"{self.letters[0]}_l0")

    @property
    def output_size(self) -> int:
        """Number of readouts of one recursion."""
        return self.hidden_size

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs (behind, ahead) of its own a tick sees beside x[n] (X1)."""
        return 0, 0

    def places(self) -> list[tuple[str, int]]:
        """Of every recursion, in torch's order: the end of the names of its weights, and the width of its input."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [
            (f"_l{k}{direction}", self.input_size if k == 0 else self.output_size * len(directions))
            for k in range(self.num_layers)
            for direction in directions
        ]

    def place(self, layer: int = 0, reverse: bool = False) -> str:
        """The end of the names of the weights of one recursion: "_l0", "_l0_reverse", "_l1", ...

        Raises:
            ValueError: no such layer or direction.
        """
        if check_count("layer", layer, 0) >= self.num_layers:
            raise ValueError(f"layer: expected a number below num_layers = {self.num_layers}, got {layer}")
        if check_flag("reverse", reverse) and not self.bidirectional:
            raise ValueError("reverse: expected False, since this layer has one direction, got True")
        return f"_l{layer}{'_reverse' * reverse}"

    def __getattr__(self, name: str) -> Any:
        """Weights under their other names: a letter alone, of the lowest layer; torch's, built from the letters."""
        held = self.__dict__.get("_parameters", {})
        if name in held:  # the usual case, and the reason why forward may ask by name at every call
            return held[name]
        if name in self.letters:
            return getattr(self, f"{name}_l0")
        kind, found, place = name.partition("_l")
        if kind in self.fused and found and found + place in dict(self.places()):
            fused = fuse(self, found + place)
            if kind in fused:
                return read_only(name, fused[kind])
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.letters or name.partition("_l")[0] in self.fused:
            raise AttributeError(f"{name}: a name to read weights by; to set them, copy to {self.letters[0]}_l0, ...")
        super().__setattr__(name, value)

    @property
    def all_weights(self) -> list[list[torch.nn.Parameter]]:
        """The parameters of every recursion, in torch's order of them."""
        places = [[self._parameters.get(letter + suffix) for letter in self.letters] for suffix, _ in self.places()]
        return [[weight for weight in weights if weight is not None] for weights in places]

    def flatten_parameters(self) -> None:
        """Do nothing: on the processor there is nothing to flatten."""

    @property
    def _unused(self) -> tuple[str, ...]:
        """The letters that these arguments leave out."""
        return ()

    def _sizes(self, width: int) -> dict[str, tuple[int, ...] | None]:
        """The shape of each weight, by the paper's letter, of a recursion with an input of ``width``; None for none."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw every weight evenly from +-1 / sqrt(hidden_size), as torch does, a bias as the sum of two such numbers.

        The same seed gives the same function as torch's layer; what torch's layer has not is drawn after the rest.
        """
        draw(self)

    def _widths(self) -> tuple[int, ...]:
        """The width of each part of the state."""
        return (self.hidden_size,)

    def _rest(self, like: Tensor, width: int) -> Tensor:
        """Where a recursion starts when it is not told, (width,)."""
        return like.new_zeros(width)


def copy_into(layer: WeightedLayer, suffix: str, values: Mapping[str, Any]) -> None:
    """Set the weights of one recursion, by letter; those that the layer has not are passed over.

    A matrix becomes that of x[n] in a context window, of which the others are left; a window of x[n] alone becomes a
    matrix, and so do diagonals.
    """
    with torch.no_grad():
        for letter, value in values.items():
            parameter = getattr(layer, letter + suffix)
            if parameter is None:
                continue
            new = as_like(0.0 if value is None else value, parameter)
            if letter.startswith("W_s") and new.ndim == 1 and parameter.ndim == 2:
                new = torch.diag(new)
            new = new[0] if new.ndim > parameter.ndim else new
            (parameter[layer.window[0]] if parameter.ndim == 3 and new.ndim == 2 else parameter).copy_(new)


def fuse(layer: WeightedLayer, suffix: str) -> dict[str, Tensor]:
    """The weights of one recursion under torch's names, with gradients; those that torch has not are left out."""
    found, d = {}, layer.hidden_size
    for name, letters in layer.fused.items():
        parts = [None if letter is None else getattr(layer, letter + suffix) for letter in letters]
        like = next((part for part in parts if part is not None), None)
        if name == "bias_hh" and layer.bias:
            like = layer._like
        if like is None or any(part is not None and part.ndim > 2 for part in parts):
            continue
        blocks = [like.new_zeros(d) if part is None else part for part in parts]
        found[name] = torch.cat(blocks) if len(blocks) > 1 else blocks[0]
    return found


def take(layer: WeightedLayer, suffix: str, fused: Mapping[str, Tensor]) -> None:
    """Copy weights under torch's names to the letters of one recursion."""
    values: dict[str, Tensor] = {}
    for name, letters in layer.fused.items():
        if name not in fused:
            continue
        for k, (letter, block) in enumerate(zip(letters, fused[name].chunk(len(letters)), strict=True)):
            if name == "bias_hh" and (letter is None or getattr(layer, letter + suffix) is None):
                other = str(layer.fused["bias_ih"][k])
                values[other] = values[other] + block
            elif letter is not None:
                values[letter] = block
    copy_into(layer, suffix, values)


def even(layer: WeightedLayer, shape: tuple[int, ...]) -> Tensor:
    """Numbers drawn as torch draws its weights."""
    bound = 1 / math.sqrt(layer.hidden_size)
    return layer._like.detach().new_empty(shape).uniform_(-bound, bound)


def draw(layer: WeightedLayer) -> None:
    """Draw the weights that torch's layer has, in its order."""
    rows, v = len(layer.fused["bias_ih"]) * layer.hidden_size, layer.output_size
    for suffix, width in layer.places():
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, v)}
        if layer.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if "weight_hr" in layer.fused and getattr(layer, f"W_qdr{suffix}") is not None:
            shapes["weight_hr"] = (v, layer.hidden_size)
        take(layer, suffix, {name: even(layer, shape) for name, shape in shapes.items()})


def draw_rest(layer: WeightedLayer) -> None:
    """Draw the weights that torch's layer has not."""
    known = {letter for letters in layer.fused.values() for letter in letters}
    with torch.no_grad():
        for suffix, width in layer.places():
            for letter, shape in layer._sizes(width).items():
                if shape is None:
                    continue
                parameter = getattr(layer, letter + suffix)
                if letter not in known:
                    parameter.copy_(sum(even(layer, shape) for _ in range(2 if letter.startswith("b_") else 1)))
                elif len(shape) == 3:  # torch's acts on x[n]
                    others = [j for j in range(shape[0]) if j != layer.window[0]]
                    parameter[others] = even(layer, (len(others), *shape[1:]))
