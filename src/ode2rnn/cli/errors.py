"""Bad input and failed runs, told in one line with their exit codes: 2 for bad input, 1 for a run that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import typer

from ode2rnn.cli.own_file import OwnCodeError
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.training import TrainingError


@contextmanager
def clean_errors() -> Iterator[None]:
    """Tell what went wrong in one line, and end with its code."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has gone, as head does
    except (ValueError, OSError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    except (SimulationError, TrainingError) as error:
        fail(str(error), 1)
    except MemoryError:
        fail("not enough memory; ask for fewer steps or samples", 1)


def fail(message: str, code: int) -> NoReturn:
    """End with ``code`` and the message in one line."""
    typer.echo("error: " + " ".join(message.split()), err=True)
    raise typer.Exit(code)


@contextmanager
def named(section: str, others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Rename the arguments that a ValueError names to ``section.key``; ``others`` says what is not in the section."""
    try:
        yield
    except OwnCodeError:
        raise
    except ValueError as error:
        names, colon, rest = str(error).partition(": ")
        words = [re.sub(r"^(.*\]) delay$", r"\1.delay", word) for word in names.split(", ")]
        if not colon or any(not re.fullmatch(r"[\w.\[\]]+", word) for word in words):
            raise ValueError(f"{section}: {error}") from None
        found = others or {}
        keys = ", ".join(found.get(word, f"{section}.{word}" if section else word) for word in words)
        raise ValueError(f"{keys}: {rest}") from None
