"""How kernels are compiled, and where compiled code is kept between runs.

A kernel has a file for each set of types of its arguments. The name of the file is a hash of all that the code depends
on: the sources of every kernel (inner functions are part of those that call them), numba, Python, and the processor.
So no file is ever out of date, and processes that write the same file write the same code. A file begins with a hash of
its content; one that is damaged is removed, and written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core import config as numba_config
from numba.core import serialize
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.misc.appdirs import AppDirs

# No reassociation and no assumption that numbers are finite: the rounding of the exponentials adds and subtracts
# 3 * 2^51, and NaN must get through.
FLAGS = ("contract", "nsz")
config: Any = numba_config  # which says what it has at run time alone
DIGEST = hashlib.sha256().digest_size


class CompiledVersions(_Cache):
    """The compiled versions of one function, as numba asks for them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}:{function.__code__.co_firstlineno}"

    @property
    def cache_path(self) -> str | None:
        """The folder."""
        return None if folder() is None else str(folder())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code for these types, or None."""
        target_context.refresh()
        place = self._place(sig, target_context.codegen())
        if place is None:
            return None
        try:
            content = place.read_bytes()
        except OSError:
            return None
        digest, payload = content[:DIGEST], content[DIGEST:]
        if hashlib.sha256(payload).digest() == digest:
            with contextlib.suppress(Exception):  # whatever is wrong with it, compiling again is right
                return CompileResult._rebuild(target_context, *pickle.loads(payload))
        with contextlib.suppress(OSError):
            place.unlink()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; a folder that takes no more is given up, with one warning."""
        place = self._place(sig, data.codegen)
        if place is None or data.lifted or data.library.has_dynamic_globals:
            return
        payload = serialize.dumps(data._reduce())
        name = None
        try:
            with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
                name = file.name
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(name, place)
        except OSError as error:
            if name is not None:
                with contextlib.suppress(OSError):
                    os.unlink(name)
            _give_up(f"{place.parent}: {error.strerror}")

    def _place(self, sig: Any, codegen: Any) -> Path | None:
        kept = folder()
        if kept is None or _GIVEN_UP:
            return None
        what = (sources(), numba.__version__, sys.implementation.cache_tag, platform.machine())
        key = repr((what, self.name, str(sig), codegen.magic_tuple(), config.BOUNDSCHECK, config.OPT))
        short = self.name.partition(":")[0].removeprefix("ode2rnn.kernels.")
        return kept / f"{short}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.bin"

    def enable(self) -> None:
        """Nothing: it is on."""

    disable = flush = enable


_GIVEN_UP: list[str] = []


def _give_up(why: str) -> None:
    if not _GIVEN_UP:
        _GIVEN_UP.append(why)
        warnings.warn(f"compiled kernels cannot be kept, every process compiles its own ({why})", stacklevel=2)


@cache
def sources() -> str:
    """A hash of the source of every kernel."""
    root = Path(__file__).parent
    parts = [str(file.relative_to(root)).encode() + file.read_bytes() for file in sorted(root.rglob("*.py"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


@cache
def folder() -> Path | None:
    """The folder of compiled kernels: the variable NUMBA_CACHE_DIR, else the user's folder of caches, else one of the
    user's own among the temporary folders. None, with a warning, where none of these can be written.
    """
    if config.CACHE_DIR:
        places = [Path(config.CACHE_DIR) / "ode2rnn"]
    else:
        temporary = Path(tempfile.gettempdir()) / f"ode2rnn-{os.getuid() if hasattr(os, 'getuid') else 'kernels'}"
        places = [Path(AppDirs("ode2rnn", appauthor=False).user_cache_dir), temporary]
    why = ""
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            # code from a folder that others can write would be code of others
            if hasattr(os, "getuid") and not config.CACHE_DIR and place.stat().st_uid != os.getuid():
                raise PermissionError(1, "belongs to another user")
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            why = f"{place}: {error.strerror}"
        else:
            return place
    _give_up(why)
    return None


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    assert function.__closure__ is None  # the names of the files know nothing of what a closure holds
    given: Any = {"error_model": "numpy", "fastmath": set(FLAGS), "nogil": True, "no_cfunc_wrapper": True} | options
    dispatcher = numba.njit(**given)(function)
    dispatcher._cache = CompiledVersions(function)
    return dispatcher


# what Python may call (C may not: a door takes time to compile), what kernels alone call, and what becomes part of them
kernel = _compiled
inner = partial(_compiled, no_cpython_wrapper=True)
inlined = partial(_compiled, no_cpython_wrapper=True, forceinline=True)
