"""The weights of the layers by letter and under torch's names, and layers from torch's own and back.

torch keeps the blocks of a recursion in one matrix, and two biases where one would do: bias_hh is added to bias_ih, but
in the candidate of the GRU, whose reset gate acts on one of them alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ode2rnn.core.arrays import as_like, brief

if TYPE_CHECKING:
    from ode2rnn.nn.layer.recurrent import RecurrentLayer
    from ode2rnn.nn.portable.layer import PortableLayer

SHARED = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")


def copy_into(layer: RecurrentLayer, suffix: str, values: Mapping[str, Any]) -> None:
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


def fuse(layer: RecurrentLayer, suffix: str) -> dict[str, Tensor]:
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


def take(layer: RecurrentLayer, suffix: str, fused: Mapping[str, Tensor]) -> None:
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


def even(layer: RecurrentLayer, shape: tuple[int, ...]) -> Tensor:
    """Numbers drawn as torch draws its weights."""
    bound = 1 / math.sqrt(layer.hidden_size)
    return layer._like.detach().new_empty(shape).uniform_(-bound, bound)


def draw(layer: RecurrentLayer) -> None:
    """Draw the weights that torch's layer has, in its order."""
    rows, v = len(layer.fused["bias_ih"]) * layer.hidden_size, layer.output_size
    for suffix, width in layer.places():
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, v)}
        if layer.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if "weight_hr" in layer.fused and getattr(layer, f"W_qdr{suffix}") is not None:
            shapes["weight_hr"] = (v, layer.hidden_size)
        take(layer, suffix, {name: even(layer, shape) for name, shape in shapes.items()})


def draw_rest(layer: RecurrentLayer) -> None:
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


def from_torch(kind: type[PortableLayer], module: Any, options: Mapping[str, Any]) -> Any:
    """The layer of this ``kind`` that computes what ``module`` does."""
    if not isinstance(module, kind.torch_type):
        raise ValueError(f"module: expected a torch.nn.{kind.torch_type.__name__}, got {brief(module)}")
    weight = module.weight_ih_l0
    arguments = {name: getattr(module, name) for name in (*SHARED, *kind.torch_options)}
    layer = kind._blank(options, **arguments, device=weight.device, dtype=weight.dtype)
    for suffix, _ in layer.places():
        names = [name for name in layer.fused if hasattr(module, name + suffix)]
        take(layer, suffix, {name: getattr(module, name + suffix) for name in names})
    return layer.train(module.training)


def to_torch(layer: PortableLayer) -> Any:
    """The layer of torch with these weights."""
    name = f"torch.nn.{layer.torch_type.__name__}"
    refuse(layer, name)
    like = layer._like
    arguments = {name: getattr(layer, name) for name in (*SHARED, *layer.torch_options)}
    module = layer.torch_type(**arguments, device=like.device, dtype=like.dtype)
    weights = {key + suffix: value for suffix, _ in layer.places() for key, value in fuse(layer, suffix).items()}
    module.load_state_dict(weights)
    return module.train(layer.training)


def refuse(layer: PortableLayer, whose: str) -> None:
    """Raise a ValueError for what ``whose`` layer has not: an argument, or a weight that is not 0."""
    layer._refuse(whose)
    known = {letter for letters in layer.fused.values() for letter in letters}
    for suffix, _ in layer.places():
        for letter in layer.letters:
            weight = getattr(layer, letter + suffix)
            if letter not in known and weight is not None and bool((weight != 0).any()):
                raise ValueError(f"{letter}{suffix}: expected 0, since {whose} has no such weight, got another")
