"""Compiled kernels, each with a plain NumPy twin elsewhere.

Nothing is compiled, and numba is not imported, before a kernel is needed; :mod:`ode2rnn.kernels.engine` says when.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ode2rnn.kernels.engine import (
    always,
    compiled,
    cores,
    folder,
    overdue,
    pays,
    plain,
    plain_first,
    stretches,
    threads,
)

__all__ = ["always", "compiled", "cores", "folder", "overdue", "pays", "plain", "plain_first", "stretches", "threads"]

# what the other folders may ask for here by its name, and the file it stands in
ENTRIES = {
    "COLUMNS": "products.batch",
    "panel_width": "products.tile",
    "run_ticks": "recursions.ticks",
    "sweep_block": "recursions.batch",
    "taylor_steps": "steps.taylor",
    "taylor_values": "steps.taylor",
    "tsit5_steps": "steps.tsit5",
    "rk4_blocks": "ensembles.rk4",
    "tsit5_blocks": "ensembles.tsit5",
    "segment_ends": "spectral.plan",
    "plan_panels": "spectral.plan",
    "solve_panels": "spectral.method",
    "sample_panels": "spectral.past",
    "standard_forward": "layers.recurrence",
    "standard_backward": "layers.recurrence",
    "canonical_forward": "layers.recurrence",
    "canonical_backward": "layers.recurrence",
    "gated_forward": "layers.gated",
    "gated_backward": "layers.gated",
}


def __getattr__(name: str) -> Any:
    """The kernel ``name``: its file, and numba with it, is loaded when it is first asked for."""
    if name not in ENTRIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{ENTRIES[name]}"), name)
    return found
