"""Ensembles spread over the cores that kernels.threads allows: kernels let other threads run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from ode2rnn import kernels

T = TypeVar("T")


def shares(count: int, least: int) -> list[tuple[int, int]]:
    """Ranges (begin, end) of ``count`` trajectories, one for each core, of at least ``least`` each.

    Example:
        >>> with kernels.threads(2):
        ...     shares(200, 64), shares(100, 64)
        ([(0, 128), (128, 200)], [(0, 100)])
    """
    parts = max(1, min(kernels.cores(), count // least))
    size = -(-count // (parts * least)) * least  # whole blocks
    return [(begin, min(begin + size, count)) for begin in range(0, count, size)]


def over_cores(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of jobs that spend their time in kernels, which let other threads run."""
    if len(jobs) == 1 or kernels.cores() == 1:
        return [job() for job in jobs]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(jobs), kernels.cores())) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, job) for job in jobs]]
