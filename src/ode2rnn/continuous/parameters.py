"""One number of an additive model by its name: a delay, a gain, an entry of a matrix or of the bias.

Uses: C7, C9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.continuous.terms import KINDS, Term, Terms
from ode2rnn.core.arrays import Array, brief, check_number, to_numpy

FORMS = "'tau', 'tau[k]', 'gain', 'A[i, j]', 'B[i, j]', 'C[i, j]', 'phi[i]', 'state[k][i, j]', 'readout[k][i, j]'"
LETTERS = {"A": "state[0]", "B": "readout[0]", "C": "input[0]"}
ENTRY = re.compile(r"(state|readout|input)\[(\d+)\]\[(\d+), *(\d+)\]")
Pairs = dict[str, list[Any]]  # [matrix, delay] of each term, by kind
Change = Callable[[Pairs, np.ndarray, float], None]


class Additive(Protocol):
    """What is asked of an additive model here."""

    phi: Array
    width: int
    delays: tuple[float, ...]

    def rebuilt(self, state: Terms, readout: Terms, input: Terms, phi: ArrayLike) -> Any:
        """The model of these terms."""


def changed(model: Additive, name: str) -> Callable[[float], Any]:
    """The function that takes a value to the model in which the number ``name`` has it.

    Raises:
        ValueError: no such number in this model.
    """
    if not isinstance(name, str):
        raise ValueError(f"parameter: expected one of {FORMS}, got {brief(name)}")
    change = _change(model, name)

    def build(value: float) -> Any:
        pairs: Pairs = {kind: [[to_numpy(t.dense()).copy(), t.delay] for t in terms_of(model, kind)] for kind in KINDS}
        phi = to_numpy(model.phi).copy()
        change(pairs, phi, check_number(name, value))
        return model.rebuilt(pairs["state"], pairs["readout"], pairs["input"], phi)

    build(value_of(model, name))  # what is out of range is found here
    return build


def value_of(model: Additive, name: str) -> float:
    """The number ``name`` of the model as it is, named as for :func:`changed`; for "gain" 1."""
    if name == "gain":
        return 1.0
    if name.startswith("phi"):
        return float(to_numpy(model.phi)[int(name[4:-1])])
    place = _place(model, name)
    if place is None:
        return float(_delay(model, name) or 0.0)
    kind, k, i, j = place
    return float(to_numpy(terms_of(model, kind)[k].dense())[i, j])


def terms_of(model: Additive, kind: str) -> tuple[Term, ...]:
    """The terms of that kind."""
    return getattr(model, kind)


def _change(model: Additive, name: str) -> Change:
    if name == "gain":
        return lambda pairs, phi, value: _scale(pairs["readout"], value)
    bias = re.fullmatch(r"phi\[(\d+)\]", name)
    if bias and int(bias[1]) < model.width:
        return lambda pairs, phi, value: phi.__setitem__(int(bias[1]), value)
    delay = _delay(model, name)
    if delay is not None:
        return lambda pairs, phi, value: _set_delay(pairs, delay, value)
    place = _place(model, name)
    if place is not None:
        kind, k, i, j = place
        return lambda pairs, phi, value: pairs[kind][k][0].__setitem__((i, j), value)
    raise ValueError(f"parameter: expected one of {FORMS} with indices that the model has, got {brief(name)}")


def _scale(pairs: list[list[Any]], value: float) -> None:
    for pair in pairs:
        pair[0] = value * pair[0]


def _set_delay(pairs: Pairs, delay: float, value: float) -> None:
    for kind in ("state", "readout"):
        for pair in pairs[kind]:
            if pair[1] == delay and (delay > 0 or kind == "readout"):
                pair[1] = value


def _delay(model: Additive, name: str) -> float | None:
    if name == "tau":
        if len(model.delays) == 1:
            return model.delays[0]
        if not model.delays and len(terms_of(model, "readout")) == 1:
            return 0.0
        raise ValueError(f"parameter: expected 'tau[k]' for one of the delays {model.delays}, got 'tau'")
    numbered = re.fullmatch(r"tau\[(\d+)\]", name)
    return model.delays[int(numbered[1])] if numbered and int(numbered[1]) < len(model.delays) else None


def _place(model: Additive, name: str) -> tuple[str, int, int, int] | None:
    entry = ENTRY.fullmatch(LETTERS.get(name[:1], name[:1]) + name[1:])
    if entry is None:
        return None
    kind, (k, i, j) = entry[1], map(int, entry.groups()[1:])
    terms = terms_of(model, kind)
    fits = k < len(terms) and i < terms[k].matrix.shape[0] and j < terms[k].matrix.shape[1]
    return (kind, k, i, j) if fits else None
