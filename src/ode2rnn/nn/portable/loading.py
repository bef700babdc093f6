"""A layer from the file that its save() wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ode2rnn.core.arrays import check_choice
from ode2rnn.nn.gru import GRU
from ode2rnn.nn.lstm.augmented import AugmentedLSTM
from ode2rnn.nn.lstm.vanilla import VanillaLSTM
from ode2rnn.nn.portable.saving import read
from ode2rnn.nn.simple.canonical import CanonicalRNN
from ode2rnn.nn.simple.standard import StandardRNN

LAYERS = {kind.__name__: kind for kind in (StandardRNN, CanonicalRNN, VanillaLSTM, AugmentedLSTM, GRU)}


def load(path: str | Path, device: Any = None) -> Any:
    """The layer that ``layer.save(path)`` wrote, of the same class, with the same weights and dtype.

    Raises:
        ValueError: a file of another kind, a damaged or truncated one; weights that do not fit their layer.
        FileNotFoundError: no file there.
    """
    header, tensors = read(path)
    kind = LAYERS[check_choice("path: layer", header.get("layer"), LAYERS)]
    dtypes = sorted({str(value.dtype) for value in tensors.values()})
    if len(dtypes) != 1:
        raise ValueError(f"path: expected weights of one dtype, got {', '.join(dtypes) or 'no weights'}")
    try:
        layer = kind(**header["arguments"], device="meta", dtype=next(iter(tensors.values())).dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"path: expected what a {kind.__name__} is made with, got something else ({error})") from None
    own = layer.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        want, got = (tuple(held[name].shape) if name in held else "none" for held in (own, tensors))
        if want != got:
            raise ValueError(f"path: {name}: expected shape {want}, as its {kind.__name__}, got {got}")
    layer = layer.to_empty(device=device or "cpu")
    with torch.no_grad():
        layer.load_state_dict(tensors)
    return layer
