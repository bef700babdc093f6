"""One number of a model by its name: a delay, a gain, an entry of a matrix or of the bias.

Uses: C7, C9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import brief, check_number, to_numpy

FORMS = "'tau', 'tau[k]', 'gain', 'A[i, j]', 'B[i, j]', 'C[i, j]', 'phi[i]', 'state[k][i, j]', 'readout[k][i, j]'"
STEP = "dT"
LETTERS = {"A": "state[0]", "B": "readout[0]", "C": "input[0]"}
ENTRY = re.compile(r"(state|readout|input)\[(\d+)\]\[(\d+), *(\d+)\]")
# an entry of any array by its name
ITEM = re.compile(r"(\w+)\[(\d+)(?:, *(\d+))?\]")
Pairs = dict[str, list[list[Any]]]
Change = Callable[[Pairs, np.ndarray, float], None]


def parameter(model: AdditiveModel, name: str) -> Callable[[float], AdditiveModel]:
    """The function that takes a value to the model in which the number ``name`` has it.

    Names, indices from 0 on: "tau", the delay of the readout, or the only delay there is; "tau[k]", the k-th of
    model.delays, in all terms that have it; "gain", a factor on every readout matrix; "A[i, j]", "B[i, j]", "C[i, j]",
    an entry of the first matrix of states, readouts, inputs; "state[k][i, j]" and so on, of the k-th; "phi[i]".

    Raises:
        ValueError: no such number in this model.

    Example:
        >>> model = ContinuousRNN(A=-1.0, B=2.0, C=None, phi=None, tau=1.0)
        >>> parameter(model, "tau")(3.0).delays, parameter(model, "gain")(0.5).B
        ((3.0,), array([[1.]]))
    """
    if not isinstance(name, str):
        raise ValueError(f"parameter: expected one of {FORMS}, got {brief(name)}")
    change = _change(model, name)

    def build(value: float) -> AdditiveModel:
        pairs = {kind: [[to_numpy(t.dense()).copy(), t.delay] for t in getattr(model, kind)] for kind in KINDS}
        phi = to_numpy(model.phi).copy()
        change(pairs, phi, check_number(name, value))
        if isinstance(model, ContinuousRNN):
            (A, _), (B, tau) = pairs["state"][0], pairs["readout"][0]
            C = pairs["input"][0][0] if pairs["input"] else None
            return ContinuousRNN(A, B, C, phi, tau, model.activation)
        state, readout, inputs = (pairs[kind] for kind in KINDS)
        return AdditiveModel(state, readout, inputs, phi, model.activation)  # type: ignore[arg-type]

    build(value_of(model, name))  # what is out of range is found here
    return build


def value_of(model: AdditiveModel, name: str) -> float:
    """The number ``name`` of the model as it is, named as for :func:`parameter`; for "gain" 1."""
    if name == "gain":
        return 1.0
    if name.startswith("phi"):
        return float(to_numpy(model.phi)[int(name[4:-1])])
    place = _place(model, name)
    if place is None:
        return float(_delay(model, name) or 0.0)
    kind, k, i, j = place
    return float(to_numpy(getattr(model, kind)[k].dense())[i, j])


KINDS = ("state", "readout", "input")


def _change(model: AdditiveModel, name: str) -> Change:
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


def _delay(model: AdditiveModel, name: str) -> float | None:
    if name == "tau":
        if len(model.delays) == 1:
            return model.delays[0]
        if not model.delays and len(model.readout) == 1:
            return 0.0
        raise ValueError(f"parameter: expected 'tau[k]' for one of the delays {model.delays}, got 'tau'")
    numbered = re.fullmatch(r"tau\[(\d+)\]", name)
    return model.delays[int(numbered[1])] if numbered and int(numbered[1]) < len(model.delays) else None


def _place(model: AdditiveModel, name: str) -> tuple[str, int, int, int] | None:
    entry = ENTRY.fullmatch(LETTERS.get(name[:1], name[:1]) + name[1:])
    if entry is None:
        return None
    kind, (k, i, j) = entry[1], map(int, entry.groups()[1:])
    terms = getattr(model, kind)
    fits = k < len(terms) and i < terms[k].matrix.shape[0] and j < terms[k].matrix.shape[1]
    return (kind, k, i, j) if fits else None
