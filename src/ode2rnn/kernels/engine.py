"""Which code runs: compiled kernels, or plain NumPy and torch, which do the same.

A kernel that was compiled before, here or by another process on this machine, is used. To compile one takes seconds. So
where none has been, plain code runs first: until it has taken as long as compiling would, or would take longer by an
estimate. Then what was begun is begun again with kernels. A job takes at most about twice as long as with foresight.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 2.0  # seconds: about what it takes to compile a kernel with all that is in it
_MODE: ContextVar[str] = ContextVar("mode", default="auto")
_CORES: ContextVar[int | None] = ContextVar("cores", default=None)
_SPENT: defaultdict[str, float] = defaultdict(float)  # seconds of plain code, by kernel


def compiled() -> bool:
    """Whether compiled kernels may be used here: outside :func:`plain`, with numba installed and its compiler on."""
    return _MODE.get() != "plain" and _compiler()


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
    with _mode("plain"):
        yield


@contextmanager
def always() -> Iterator[None]:
    """Inside this context kernels are compiled when they are first needed, however short the job."""
    with _mode("always"):
        yield


@contextmanager
def _mode(name: str) -> Iterator[None]:
    token = _MODE.set(name)
    try:
        yield
    finally:
        _MODE.reset(token)


@dataclass
class _Attempt:
    """Plain code that is under way: when it began, and the kernels that it goes without."""

    begun: float
    missed: set[str] = field(default_factory=set)

    @property
    def seconds(self) -> float:
        return time.thread_time() - self.begun


_ATTEMPT: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


class Overdue(Exception):
    """Plain code has taken as long as compiling would: to be begun again with kernels."""


def pays(kernel: str, seconds: float = 0.0) -> bool:
    """Whether this kernel is to do a job for which plain code takes so many ``seconds``, by a low estimate."""
    if not compiled():
        return False
    if _MODE.get() == "always" or ready(kernel) or _SPENT[kernel] + seconds > PATIENCE:
        return True
    attempt = _ATTEMPT.get()
    if attempt is None:
        _SPENT[kernel] += seconds
    else:
        attempt.missed.add(kernel)
    return False


def plain_first(run: Callable[[], T]) -> T:
    """What ``run()`` gives: with kernels where they pay, else in plain code, begun again when it is :func:`overdue`."""
    attempt = _Attempt(time.thread_time())
    token = _ATTEMPT.set(attempt)
    spent = 0.0
    try:
        return run()
    except Overdue:
        spent = math.inf  # all kernels that it went without pay from now on: the second run is not stopped again
    finally:
        _ATTEMPT.reset(token)
        for kernel in attempt.missed:
            _SPENT[kernel] += attempt.seconds + spent
    return run()


def overdue() -> None:
    """Raise Overdue if the plain code that is under way has had its time; asked at every step.

    Raises:
        Overdue: caught by :func:`plain_first`.
    """
    attempt = _ATTEMPT.get()
    if attempt is None or not attempt.missed:
        return
    if attempt.seconds + max(_SPENT[kernel] for kernel in attempt.missed) > PATIENCE:
        raise Overdue


def ready(kernel: str) -> bool:
    """Whether a kernel had been compiled, for one kind of arguments at least, when this process began."""
    return kernel in _kept()


@cache
def _kept() -> frozenset[str]:
    place = folder()
    return frozenset() if place is None else frozenset(file.name.split("-")[0] for file in place.glob(f"*-{key()}-*"))


AT_ONCE = 2e8  # additions and multiplications of one call of a kernel: some tenths of a second


def stretches(count: int, work: float) -> list[tuple[int, int]]:
    """Ranges (begin, end) of ``count`` ticks or steps of so much ``work`` each: after each, Python looks for Ctrl-C.

    Example:
        >>> stretches(5, 1e8)
        [(0, 2), (2, 4), (4, 5)]
    """
    most = max(1, int(AT_ONCE / max(work, 1.0)))
    return [(begin, min(begin + most, count)) for begin in range(0, count, most)]


# -- where compiled code is kept


@cache
def key() -> str:
    """A hash of what all kernels depend on: their sources, numba, Python and the kind of processor."""
    root = Path(__file__).parent
    parts = [str(file.relative_to(root)).encode() + file.read_bytes() for file in sorted(root.rglob("*.py"))]
    parts += [version("numba").encode(), str(sys.implementation.cache_tag).encode(), platform.machine().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def folder() -> Path | None:
    """The folder of compiled kernels: the variable NUMBA_CACHE_DIR, else the user's folder of caches, else one of the
    user's own among the temporary folders. None, with a warning, where none of these can be written.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        places = [Path(given) / "ode2rnn"]
    else:
        temporary = Path(tempfile.gettempdir()) / f"ode2rnn-{os.getuid() if hasattr(os, 'getuid') else 'kernels'}"
        places = [*_user_folder(), temporary]
    why = ""
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            # code from a folder that others can write would be code of others
            if hasattr(os, "getuid") and not given and place.stat().st_uid != os.getuid():
                raise PermissionError(1, "belongs to another user")
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            why = f"{place}: {error.strerror}"
        else:
            return place
    give_up(why)
    return None


def _user_folder() -> list[Path]:
    """The user's own folder of caches; none where there is no home."""
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    below = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    try:
        return [(Path(given) if given else Path.home() / below) / "ode2rnn"]
    except RuntimeError:  # a user whom the system does not know
        return []


_GIVEN_UP: list[str] = []


def given_up() -> bool:
    """Whether compiled code is not kept any more."""
    return bool(_GIVEN_UP)


def give_up(why: str) -> None:
    """Keep no more compiled code, and say so once."""
    if not _GIVEN_UP:
        _GIVEN_UP.append(why)
        warnings.warn(f"compiled kernels cannot be kept, every process compiles its own ({why})", stacklevel=2)


# -- cores


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
