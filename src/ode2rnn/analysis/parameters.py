"""One number of a model by its name, as the analyses ask for it: see :meth:`AdditiveModel.parameter`."""

from __future__ import annotations

import re
from collections.abc import Callable

from ode2rnn.continuous.additive import AdditiveModel

STEP = "dT"
# an entry of any array by its name
ITEM = re.compile(r"(\w+)\[(\d+)(?:, *(\d+))?\]")


def parameter(model: AdditiveModel, name: str) -> Callable[[float], AdditiveModel]:
    """The function that takes a value to the model in which the number ``name`` has it.

    Raises:
        ValueError: no such number in this model.
    """
    return model.parameter(name)


def value_of(model: AdditiveModel, name: str) -> float:
    """The number ``name`` of the model as it is."""
    return model.value_of(name)
