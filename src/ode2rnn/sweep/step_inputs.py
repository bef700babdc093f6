"""What the study of the sampling step is made on: a config, or the network of the derivation.

Uses: C9.
"""

from __future__ import annotations

from pathlib import Path

from ode2rnn.core.series import load_series
from ode2rnn.sweep.config import load_config, named


def configured(path: Path) -> tuple[dict, str]:
    """The arguments of step_study that a config gives, and the unit of time."""
    given = load_config(path)
    arguments = {"model": given.model, "x": given.x, "t": given.span, "history": given.options["history"]}
    unit = given.series.unit_of_time if given.series is not None else ""
    return arguments | {"s0": given.options.get("s0")}, unit


def derivation(spec: str) -> tuple[dict, str]:
    """The same for the network of the derivation, driven by a series."""
    from ode2rnn.derivation import Experiment

    with named("--series", {"spec": "--series", "x": "--series"}):
        e = Experiment(load_series(spec))
        return {"model": e.model, "x": e.signal, "t": e.window, "history": e.rest}, e.series.unit_of_time
