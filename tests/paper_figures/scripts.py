"""The scripts of the figures, loaded, and the paths of their folder."""

from __future__ import annotations

import functools
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ode2rnn.derivation.figure_scripts import FigureScript, find_scripts, load_script

FOLDER = Path(__file__).parents[2] / "paper_figures"
PATHS = {int(path.stem.split("_")[1]): path for path in find_scripts(FOLDER)}


@functools.cache
def script(number: int) -> FigureScript:
    return load_script(PATHS[number])


@functools.cache
def shared(name: str) -> SimpleNamespace:
    """A module that the scripts share."""
    return SimpleNamespace(**runpy.run_path(str(FOLDER / f"{name}.py")))


@functools.cache
def quick_data(number: int) -> Any:
    """The arrays of a figure at small size; computed once."""
    return script(number).module.data(quick=True)
