"""A system that a Python file of the user's own defines: the file's code is run to get it.

Uses: C2, D5.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import typer

from ode2rnn.analysis.subject import Subject, as_subject
from ode2rnn.core.arrays import check_choice

PLACE = re.compile(r"(.+\.py)(?::(.*))?", re.DOTALL)  # FILE.py, or FILE.py:NAME


class OwnCodeError(ValueError):
    """An exception from code of the user's own, told with its file and line."""


def split_place(text: str) -> tuple[Path, str] | None:
    """The file and the name, "" where none is said, of FILE.py:NAME; None of any other text.

    Example:
        >>> split_place("models/fhn.py:model")[1], split_place("lstm.pt")
        ('model', None)
    """
    match = PLACE.fullmatch(text)
    return (Path(match[1]), match[2] or "") if match else None


def load_own(where: str, path: Path, name: str = "") -> tuple[Subject, str]:
    """Run the file ``path``; return the system that stands at module level there, and its name.

    Args:
        where: the argument, for messages.
        path: a Python file. What it imports from its own folder is found.
        name: of the system; by default the only one there, names with an underscore apart.

    Raises:
        ValueError: no such file, no such name, no system, or several and no name.
        OwnCodeError: an exception inside the file.
    """
    if not path.is_file():
        raise ValueError(f"{where}: expected a Python file, got {str(path)!r}, which is none")
    held = _run(where, path)
    systems = _systems(held)
    if not name:
        if len(systems) == 1:
            ((key, system),) = systems.items()
            return _whole(where, system), key
        got = f"{path.name}:{', '.join(systems)}" if systems else "none"
        raise ValueError(f"{where}: expected one Flow, System or layer in {str(path)!r}, or FILE.py:NAME, got {got}")
    if name not in held:
        public = [key for key in held if not key.startswith("_")]
        check_choice(f"{where}: {path.name}", name, list(systems) or public[:12])
    return _whole(where, systems[name] if name in systems else as_subject(held[name], where)), name


@contextmanager
def running(path: Path | None) -> Iterator[None]:
    """Tell an exception from the code of the file ``path`` with its line; None for no such file.

    Raises:
        OwnCodeError: in place of that exception.
    """
    try:
        yield
    except Exception as error:
        told = None if path is None or isinstance(error, OwnCodeError) else _told(error, path)
        if told is None and path is not None and isinstance(error, NotImplementedError):
            told = f"{path}: {error}"  # a member that the class there does not say
        if told is None:
            raise
        raise OwnCodeError(told) from error


def _run(where: str, path: Path) -> Mapping[str, object]:
    """What stands at module level once the file has run, as if it had been imported; told on stderr."""
    typer.echo(f"runs the code of {path}", err=True)
    module = ModuleType(f"_own_{path.stem}")
    module.__file__ = str(path)
    folder = str(path.parent.resolve())
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    sys.path.insert(0, folder)
    try:
        with running(path):
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SystemExit as error:
        raise OwnCodeError(f"{where}: expected a file that defines a system, got {str(path)!r}, which exits") from error
    finally:
        sys.path.remove(folder)
    return module.__dict__


def _systems(held: Mapping[str, object]) -> dict[str, Subject]:
    """The systems of a module by their first names."""
    found: dict[str, Subject] = {}
    seen: set[int] = set()
    for name, value in held.items():
        if name.startswith("_") or id(value) in seen:
            continue
        try:
            found[name] = as_subject(value)
        except ValueError:
            continue
        seen.add(id(value))
    return found


def _whole(where: str, system: Subject) -> Subject:
    """A system that says its sizes."""
    for member in ("dt", "width") if system.discrete else ("width",):
        if not hasattr(system, member):
            raise ValueError(f"{where}: expected a system that says `{member}`, got {type(system).__name__}")
    return system


def _told(error: BaseException, path: Path) -> str | None:
    """The exception in a line, with the innermost line of the file that it passed through; None if it did not."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if not lines:
        return None
    # the cause of what a caller made of it has passed a line further in
    deeper = None if error.__cause__ is None else _told(error.__cause__, path)
    return deeper or f"{path}, line {lines[-1]}: {type(error).__name__}: {error}"
