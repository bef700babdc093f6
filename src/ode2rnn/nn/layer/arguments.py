"""What a layer is called with, checked, and the arguments of its constructor."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from ode2rnn.core.arrays import brief
from ode2rnn.nn.layer.packed import State
from ode2rnn.nn.layer.weights import WeightedLayer


def merged(kind: type) -> list[inspect.Parameter]:
    """The arguments of a class, with those that its constructor passes on as *args and **kwargs spelled out."""
    positional: dict[str, inspect.Parameter] = {}
    by_name: dict[str, inspect.Parameter] = {}
    for ancestor in kind.__mro__:
        if "__init__" not in vars(ancestor):
            continue
        parameters = list(inspect.signature(vars(ancestor)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                positional.setdefault(parameter.name, parameter)
            elif parameter.kind is parameter.KEYWORD_ONLY:
                by_name.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return [*positional.values(), *by_name.values()]


def check_weights(layer: WeightedLayer) -> None:
    """Refuse weights of different dtypes or on different devices."""
    own, first = layer._like, f"{layer.letters[0]}_l0"
    for name, weight in layer._parameters.items():
        if weight is not None and (weight.dtype is not own.dtype or weight.device != own.device):
            raise ValueError(
                f"{name}: expected {own.dtype} on {own.device}, as {first}, got {weight.dtype} on {weight.device}"
            )


def check_input(layer: WeightedLayer, x: object) -> Tensor:
    """The input of a layer, (N, batch, m), (batch, N, m) with batch_first, or (N, m)."""
    if not isinstance(x, Tensor):
        raise ValueError(f"input: expected a tensor or a PackedSequence, got {brief(x)}")
    m, want = layer.input_size, "(batch, N" if layer.batch_first else "(N, batch"
    if x.ndim not in (2, 3) or x.shape[-1] != m or 0 in x.shape[:1]:
        raise ValueError(f"input: expected shape {want}, {m}) or (N, {m}), got {tuple(x.shape)}")
    if x.ndim == 3 and layer.batch_first and x.shape[1] == 0:
        raise ValueError(f"input: expected at least one tick, got shape {tuple(x.shape)}")
    return _check_kind(layer, "input", x)


def check_start(layer: WeightedLayer, hx: object, batch: int, batched: bool) -> State:
    """What the recursions start from, each part (recursions, batch, width)."""
    rows, names, widths = len(layer.places()), layer.states, layer._widths()
    if hx is None:
        own = layer._like
        return tuple(layer._rest(own, width).expand(rows, batch, width) for width in widths)
    given = hx if isinstance(hx, tuple | list) and len(names) > 1 else (hx,)
    if len(given) != len(names):
        got = f"{len(hx)} of them" if isinstance(hx, tuple | list) else _shape(hx)
        raise ValueError(f"hx: expected a tuple ({', '.join(names)}) of tensors, got {got}")
    found = []
    for name, value, width in zip(names, given, widths, strict=True):
        shape = (rows, batch, width) if batched else (rows, width)
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            # torch's rule, and a common mistake
            hint = ", the batch second with batch_first too" if layer.batch_first and batched else ""
            raise ValueError(f"{name}: expected a tensor of shape {shape}{hint}, got {_shape(value)}")
        found.append(_check_kind(layer, name, value).reshape(rows, batch, width))
    return tuple(found)


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else brief(value)


def _check_kind(layer: WeightedLayer, name: str, value: Tensor) -> Tensor:
    own = layer._like
    kind = value.device.type
    if value.is_floating_point() and torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        value = value.to(own.dtype)  # what autocast has shortened; the recursion itself is not
    if value.dtype != own.dtype or value.device != own.device:
        raise ValueError(
            f"{name}: expected {own.dtype} on {own.device}, as the weights, got {value.dtype} on {value.device}"
        )
    return value
