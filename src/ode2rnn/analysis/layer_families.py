"""A trained layer with one of its weights, or the gain of what it feeds back, left open."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch

from ode2rnn.analysis.parameters import ITEM

# what takes the readout back in, by the beginnings of its names: torch's, the RNNs', the gated layers'
RECURRENT = ("weight_hh", "W_r_l", "W_v")


def changed_layer(module: Any, name: str) -> Callable[[float], Any]:
    """The function that takes a value to a copy of the layer that has it: "gain", or an entry of a parameter.

    Raises:
        ValueError: no such number.
    """
    base = deepcopy(module).double()
    held = {key: value.detach().clone() for key, value in base.named_parameters()}
    entry = ITEM.fullmatch(name)
    back = [key for key in held if key.startswith(RECURRENT)]
    place = () if entry is None else tuple(int(i) for i in entry.groups()[1:] if i is not None)
    fits = entry is not None and entry[1] in held and len(place) == held[entry[1]].ndim
    if fits and entry is not None:
        fits = all(i < n for i, n in zip(place, held[entry[1]].shape, strict=True))
    if not fits and not (name == "gain" and back):
        raise ValueError(
            f"name: expected 'gain', 'x[k]', or an entry such as '{back[0] if back else ''}[0, 1]', got {name!r}"
        )

    def changed(p: float) -> Any:
        layer = deepcopy(base)
        own = dict(layer.named_parameters())
        with torch.no_grad():
            if entry is None:
                for key in back:
                    own[key].copy_(p * held[key])
            else:
                own[entry[1]][place] = p
        return layer

    return changed
