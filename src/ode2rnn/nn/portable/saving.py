"""A layer on disk: one safetensors file, whose header holds in JSON which layer it is and what it was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.trajectory import as_path, write_whole
from ode2rnn.nn.layer.recurrent import RecurrentLayer

KEY, FORMAT = "ode2rnn.layer", 1


def save(layer: RecurrentLayer, path: str | Path) -> Path:
    """Write the layer to ``path``, whole or not at all."""
    from safetensors.torch import save_file

    place = as_path(path)
    if place.suffix != ".safetensors":
        raise ValueError(f"path: expected a name that ends in .safetensors, got {place.name!r}")
    if not type(layer).__module__.startswith("ode2rnn.nn."):
        raise ValueError(
            f"layer: expected one of ode2rnn.nn, got {type(layer).__name__}; save its state_dict() instead"
        )
    arguments = layer.arguments()
    G = arguments.get("nonlinearity")
    if isinstance(G, Activation):
        if ACTIVATIONS.get(G.name) is not G:
            raise ValueError(f"nonlinearity: expected a registered one, which a file can name, got {G.name!r}")
        arguments["nonlinearity"] = G.name
    header = {"format": FORMAT, "layer": type(layer).__name__, "arguments": arguments}
    own = {letter + suffix for suffix, _ in layer.places() for letter in layer.letters}
    strange = sorted(set(layer.state_dict()) - own)
    if strange:  # a parametrization, pruning
        raise ValueError(f"layer: expected its own weights alone, got {strange[0]!r}; save its state_dict() instead")
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in layer.state_dict().items()}
    write_whole(place, lambda file: save_file(tensors, file, {KEY: json.dumps(header)}))
    return place


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the tensors of such a file.

    Raises:
        ValueError: a file that ``save`` did not write, or that is damaged.
        FileNotFoundError: no file there.
    """
    from safetensors import SafetensorError, safe_open

    place = as_path(path)
    expected = f"path: expected a file that save() of a layer wrote, got {str(place)!r}"
    if not place.exists():
        raise FileNotFoundError(f"{expected}: there is none")
    try:
        with safe_open(place, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            header = json.loads(text) if text else None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{expected}, which does not read ({error})") from None
    if not isinstance(header, dict):
        raise ValueError(f"{expected}, which another program wrote")
    if header.get("format") != FORMAT or not isinstance(header.get("arguments"), dict):
        raise ValueError(f"{expected}, of another format: {header.get('format')!r}")
    return header, tensors
