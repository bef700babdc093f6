"""Networks in files of weights: a layer of ode2rnn.nn, or torch's RNN, LSTM or GRU by their shapes.

Uses: D8, L6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ode2rnn.core.arrays import check_choice
from ode2rnn.nn import load
from ode2rnn.nn.portable.saving import KEY

KINDS = {"rnn": ("RNN", 1), "rnn-relu": ("RNN", 1), "gru": ("GRU", 3), "lstm": ("LSTM", 4)}
WEIGHT = re.compile(r"(?:(.*)\.)?(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l(\d+)(_reverse)?)?")


def load_weights(path: Path, kind: str = "", prefix: str | None = None) -> tuple[torch.nn.Module, str]:
    """The network in a .safetensors, .pt, .pth or .bin file, and what it is in a line.

    Raises:
        ValueError: a damaged file, no network in it, or several.
    """
    if kind:
        check_choice("--kind", kind, KINDS)
    if path.suffix == ".safetensors":
        return _safetensors(path, kind, prefix)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its reader meets in a damaged file
        why = str(error).split(".")[0][:150]
        raise ValueError(f"FILE: expected weights that torch.save wrote, got {str(path)!r}: {why}") from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise ValueError(f"FILE: expected a state_dict, got {type(found).__name__} in {str(path)!r}")
    return from_state_dict(found, kind, prefix)


def _safetensors(path: Path, kind: str, prefix: str | None) -> tuple[torch.nn.Module, str]:
    try:
        with safe_open(path, framework="pt") as file:
            own = KEY in (file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"FILE: expected safetensors, got {str(path)!r}, which does not read ({error})") from None
    if not own:
        return from_state_dict(tensors, kind, prefix)
    if kind or prefix is not None:
        raise ValueError("--kind: expected none, nor --prefix, for a layer of ode2rnn.nn, which says what it is")
    layer = load(path).double()
    size = f"{layer.input_size} inputs, {layer.hidden_size} units, {layer.num_layers} layers"
    return layer, f"ode2rnn.nn.{type(layer).__name__}: {size}".replace(" 1 layers", " 1 layer")


def from_state_dict(
    tensors: Mapping[str, Any], kind: str = "", prefix: str | None = None
) -> tuple[torch.nn.Module, str]:
    """The RNN, LSTM or GRU of torch whose weights are among ``tensors``, its sizes from their shapes.

    Raises:
        ValueError: none, or several; a layer missing; shapes that do not fit; one that also runs backwards.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, value in tensors.items():
        match = WEIGHT.fullmatch(name) if isinstance(name, str) else None
        if match and isinstance(value, torch.Tensor):
            layer = f"{match[2]}_l{match[3] or 0}{match[4] or ''}"
            groups.setdefault(match[1] or "", {})[layer] = value
    if not groups:
        some = ", ".join(list(map(str, tensors))[:4]) or "nothing"
        raise ValueError(f"FILE: expected weights of torch's RNN, LSTM or GRU (weight_ih_l0, ...), got {some}")
    if prefix is None and len(groups) > 1:
        raise ValueError(f"--prefix: expected one of {', '.join(map(repr, groups))}, since there are several networks")
    chosen = next(iter(groups)) if prefix is None else prefix.rstrip(".")
    weights = groups[check_choice("--prefix", chosen, groups)]
    if any(name.endswith("_reverse") for name in weights):
        raise ValueError("FILE: expected a network in one direction; one that also runs backwards is no map")
    if any(name.startswith("weight_hr") for name in weights):
        raise ValueError("FILE: expected an LSTM without projection, got weight_hr")
    for name in ("weight_ih_l0", "weight_hh_l0"):
        if name not in weights or weights[name].ndim != 2:
            raise ValueError(
                f"FILE: expected a matrix {name}, got {'none' if name not in weights else 'another shape'}"
            )
    rows, d = weights["weight_hh_l0"].shape
    by_shape = [name for name, (_, gates) in KINDS.items() if rows == gates * d]
    if not by_shape:
        raise ValueError(f"FILE: weight_hh_l0: expected shape (g d, d) with g = 1, 3 or 4, got {(rows, d)}")
    if kind and kind not in by_shape:
        raise ValueError(f"--kind: expected {' or '.join(by_shape)}, by the shape {(rows, d)}, got {kind!r}")
    name = kind or by_shape[0]
    letter, inputs = KINDS[name][0], weights["weight_ih_l0"].shape[1]
    layers = sum(key.startswith("weight_ih") for key in weights)
    options: dict[str, Any] = {"num_layers": layers, "bias": "bias_ih_l0" in weights, "dtype": torch.float64}
    if letter == "RNN":
        options["nonlinearity"] = "relu" if name == "rnn-relu" else "tanh"
    module = getattr(torch.nn, letter)(inputs, d, **options)
    own = module.state_dict()
    for key in sorted(own.keys() | weights.keys()):
        want, got = (tuple(held[key].shape) if key in held else "none" for held in (own, weights))
        if want != got:
            raise ValueError(f"FILE: {key}: expected shape {want} in a {letter} of {d} units, got {got}")
        if not torch.isfinite(weights[key]).all():
            raise ValueError(f"FILE: {key}: expected finite numbers, got NaN or infinity")
    module.load_state_dict({key: value.double() for key, value in weights.items()})
    text = f"torch.nn.{letter}: {inputs} inputs, {d} units, {layers} layer{'s' * (layers > 1)}"
    if letter == "RNN":
        guess = "" if kind else ", taken to be so; --kind rnn-relu for the other"
        text += f", {options['nonlinearity']}{guess}"
    return module, text
