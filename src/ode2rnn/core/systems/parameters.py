"""One number of a system by its name: a gain, or an entry of one of its arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

from ode2rnn.core.arrays import Array, brief, to_numpy

# "W_r[0, 1]", "theta_s[2]", "W_s[3][0, 1]" of a cell with taps, "g_cs.W_x[0, 1]" of a part
ENTRY = re.compile(r"([\w.]+(?:\[\d+\])?)\[(\d+)(?:, *(\d+))?(?:, *(\d+))?\]")
# an input: the parameter is then a constant one
INPUT = re.compile(r"x\[(\d+)\]")


class Weighted(Protocol):
    """What holds arrays by name."""

    def plain(self) -> Self:
        """The same in NumPy."""

    def weights(self) -> dict[str, Array]:
        """The arrays."""

    def with_weights(self, values: dict[str, Array]) -> Self:
        """A copy with these arrays."""


def changed_weights(system: Weighted, name: str) -> Callable[[float], Any]:
    """The function that takes a value to the system in which its number ``name`` has it.

    Raises:
        ValueError: no such number.
    """
    own = system.plain()
    held = {key: to_numpy(value) for key, value in own.weights().items()}
    if name == "gain":
        back = [key for key in held if feeds_back(key)]
        if not back:
            raise ValueError(f"name: expected the name of an entry, since {type(system).__name__} has no gain")
        return lambda p: own.with_weights({key: p * held[key] for key in back})
    key, place = entry(name, held)

    def changed(p: float) -> Any:
        array = held[key].copy()
        array[place] = p
        return own.with_weights({key: array})

    return changed


def value_of(system: Weighted, name: str) -> float:
    """The number ``name`` of the system as it is; for "gain" 1."""
    if name == "gain":
        return 1.0
    held = {key: to_numpy(value) for key, value in system.plain().weights().items()}
    key, place = entry(name, held)
    return float(held[key][place])


def feeds_back(key: str) -> bool:
    """Whether the weight of this name takes the readout back in: W_r, W_v? of the gates, and those of a part."""
    last = key.rpartition(".")[2]
    return last.startswith(("W_r", "W_v"))


def entry(name: str, held: dict[str, Array]) -> tuple[str, tuple[int, ...]]:
    """The array and the place in it that a name such as "W_r[0, 1]" says.

    Raises:
        ValueError: no such array, or indices that it has not.
    """
    match = ENTRY.fullmatch(name)
    if match is None or match[1] not in held:
        some = ", ".join(list(held)[:4])
        raise ValueError(
            f"name: expected 'gain', 'x[k]' or an entry as in 'W_r[0, 1]' of {some}, ..., got {brief(name)}"
        )
    place = tuple(int(i) for i in match.groups()[1:] if i is not None)
    shape = np.shape(held[match[1]])
    if len(place) != len(shape) or any(i >= n for i, n in zip(place, shape, strict=True)):
        raise ValueError(f"name: expected indices that {match[1]} of shape {tuple(shape)} has, got {name!r}")
    return match[1], place
