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
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core import config as numba_config
from numba.core import serialize
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult

from ode2rnn.kernels import engine

# No reassociation and no assumption that numbers are finite: the rounding of the exponentials adds and subtracts
# 3 * 2^51, and NaN must get through.
FLAGS = ("contract", "nsz")
config: Any = numba_config  # which says what it has at run time alone
DIGEST = hashlib.sha256().digest_size


class CompiledVersions(_Cache):
    """The compiled versions of one function, as numba asks for them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.short = function.__name__
        self.name = f"{function.__module__}.{function.__qualname__}:{function.__code__.co_firstlineno}"

    @property
    def cache_path(self) -> str | None:
        """The folder."""
        return None if engine.folder() is None else str(engine.folder())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code for these types, or None."""
        target_context.refresh()
        place = self._place(sig, target_context.codegen())
        if place is None:
            return None
        try:
            content = place.read_bytes()
        except OSError:
            _say_so()
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
            engine.give_up(f"{place.parent}: {error.strerror}")

    def _place(self, sig: Any, codegen: Any) -> Path | None:
        kept = engine.folder()
        if kept is None or engine.given_up():
            return None
        what = repr((self.name, str(sig), codegen.magic_tuple(), config.BOUNDSCHECK, config.OPT))
        return kept / f"{self.short}-{engine.key()}-{hashlib.sha256(what.encode()).hexdigest()[:32]}.bin"

    def enable(self) -> None:
        """Nothing: it is on."""

    disable = flush = enable


@cache
def _say_so() -> None:
    print("compiling kernels, once on this machine ...", file=sys.stderr, flush=True)


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
