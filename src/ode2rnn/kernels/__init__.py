"""Compiled kernels, each with a plain NumPy twin elsewhere, the switch between them, and the cores they may use.

Nothing is compiled, and numba is not imported, before a kernel is first needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

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

_COMPILED = ContextVar("compiled", default=True)
_CORES: ContextVar[int | None] = ContextVar("cores", default=None)


def compiled() -> bool:
    """Whether compiled kernels may be used here: outside :func:`plain`, with numba installed and its compiler on."""
    return _COMPILED.get() and _compiler()


@cache
def _compiler() -> bool:
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0") and find_spec("numba") is not None


@contextmanager
def plain() -> Iterator[None]:
    """Inside this context everything runs in plain NumPy, without compiled kernels.

    Example:
        >>> with plain():
        ...     compiled()
        False
    """
    token = _COMPILED.set(False)
    try:
        yield
    finally:
        _COMPILED.reset(token)


def cores() -> int:
    """How many cores ensembles are spread over: what `threads` says, else the variable NUMBA_NUM_THREADS, else all."""
    count = _CORES.get()
    if count is None and not _compiler():
        return 1
    if count is None:
        from numba.core import config

        count = int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    return count


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside this context ensembles are spread over ``count`` cores. No result depends on their number.

    Raises:
        ValueError: a count below 1.

    Example:
        >>> with threads(1):
        ...     cores()
        1
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count: expected a number of cores, 1 or more, got {count!r}")
    token = _CORES.set(count)
    try:
        yield
    finally:
        _CORES.reset(token)


def __getattr__(name: str) -> Any:
    """The kernel ``name``: its file, and numba with it, is loaded when it is first asked for."""
    if name not in ENTRIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{ENTRIES[name]}"), name)
    return found
