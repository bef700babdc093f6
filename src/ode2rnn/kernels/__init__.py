"""Compiled kernels, each with a plain NumPy twin elsewhere, and the switch between them.

Nothing is compiled, and numba is not imported, before a kernel is first needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COMPILED = ContextVar("compiled", default=True)


def compiled() -> bool:
    """Whether compiled kernels may be used here."""
    return _COMPILED.get()


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
