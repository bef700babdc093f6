"""What a command line says, as arguments of the studies.

Uses: C9.
"""

from __future__ import annotations

from pathlib import Path

from ode2rnn.cli.config import load_config
from ode2rnn.core.systems.kinds import as_flow


def configured(path: Path) -> tuple[dict, str]:
    """The arguments of step_study that a config gives, and the unit of time."""
    given = load_config(path)
    model = as_flow("model.file", given.model, "which has ticks of its own; a step dT is one of an equation")
    arguments = {"model": model, "x": given.x, "t": given.span, "history": given.options["history"]}
    unit = given.series.unit_of_time if given.series is not None else ""
    return arguments | {"s0": given.options.get("s0")}, unit


def numbers_in(name: str, text: str, kind: type = float, example: str = "1,0.5,0.25") -> list:
    """The numbers in a text, separated by commas.

    Raises:
        ValueError: anything else, by the ``name`` of the option.
    """
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name}: expected {what} separated by commas, as in {example}; got {text!r}") from None
