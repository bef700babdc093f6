"""The scripts of the paper's figures: found in their folder, loaded, and asked for arrays, pictures and verdicts.

A script fig_NN_slug.py has

    SECTION    the section of the paper, EQUATIONS the ids of its equations, CLAIM what the figure shows, in a sentence
    data(quick=False) -> dict of arrays, nested or not; smaller where quick
    draw(data)        -> a matplotlib figure
    verdict(data)     -> a Finding: whether the arrays show what CLAIM says

and, where it needs one, TOLERANCE, how far its arrays may be from those of another machine, and SEED. A script that has
a CAPTION is a figure of the report, too: its data(quick=False, experiment=None) takes the report's experiment. Modules
beside a script are there for it to import, as when Python runs the script itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

TOLERANCE = 1e-6  # of the largest number of an array; what rounding in another order may change
PARTS = ("SECTION", "EQUATIONS", "CLAIM", "data", "draw", "verdict")
NAME = re.compile(r"fig_(\d\d)_\w+")
FOLDER = "paper_figures"


@dataclass(frozen=True)
class FigureScript:
    """A figure: its script, loaded."""

    path: Path
    module: ModuleType

    @property
    def name(self) -> str:
        """fig_NN_slug."""
        return self.path.stem

    @property
    def slug(self) -> str:
        """The name without its number."""
        return self.path.stem.split("_", 2)[2]

    @property
    def number(self) -> int:
        """NN."""
        return int(self.path.stem.split("_")[1])

    @property
    def caption(self) -> str:
        """What the report says below the figure; empty for a figure that is not of the report."""
        return str(getattr(self.module, "CAPTION", ""))

    @property
    def hash(self) -> str:
        """SHA-256 of the script."""
        return file_hash(self.path)

    @property
    def tolerance(self) -> float:
        """How far, relative to the largest number of an array, a recomputed number may be away."""
        return float(getattr(self.module, "TOLERANCE", TOLERANCE))


def paper_folder() -> Path:
    """The scripts that came with the package: inside it where it is installed, beside ``src`` in a checkout.

    Raises:
        ValueError: neither is there.
    """
    package = Path(__file__).parents[1]
    places = (package / FOLDER, package.parents[1] / FOLDER)
    for place in places:
        if place.is_dir():
            return place
    raise ValueError(f"FOLDER: expected the figure scripts in one of {', '.join(map(str, places))}, got none")


def folders(folder: Path | None, out: Path | None, quick: bool, check: bool) -> tuple[Path, Path]:
    """Where the scripts are, and where their figures are.

    Without a ``folder`` the scripts are those in ./paper_figures where there are some, else those of the package, whose
    figures are written into ./paper_figures, too, and compared with those of the package.
    """
    here = Path(FOLDER)
    source = folder or (here if any(here.glob("fig_*.py")) else paper_folder())
    place = source if folder or check else here
    return source, out or (place / "quick" if quick else place)


def report_figures(folder: Path) -> list[FigureScript]:
    """The figures in ``folder`` that the report shows: those with a caption."""
    return [script for script in map(load_script, find_scripts(folder)) if script.caption]


def find_scripts(folder: Path, only: Sequence[int] = ()) -> list[Path]:
    """The scripts in ``folder`` by number, or those of the numbers ``only``.

    Raises:
        ValueError: no such folder, no scripts in it, none of a number, two of a number.
    """
    if not folder.is_dir():
        raise ValueError(f"FOLDER: expected the folder of the figure scripts, got {str(folder)!r}, which is not there")
    found = [path for path in sorted(folder.glob("fig_*.py")) if NAME.fullmatch(path.stem)]
    if not found:
        raise ValueError(f"FOLDER: expected scripts fig_NN_slug.py, got none in {str(folder)!r}")
    numbers = [int(path.stem.split("_")[1]) for path in found]
    twice = {number for number in numbers if numbers.count(number) > 1}
    if twice:
        raise ValueError(f"FOLDER: expected one script a number, got two of {min(twice):02d} in {str(folder)!r}")
    for number in only:
        if number not in numbers:
            known = ", ".join(f"{n:02d}" for n in numbers)
            raise ValueError(f"--only: expected one of {known}, got {number:02d}")
    return [path for path, number in zip(found, numbers, strict=True) if not only or number in only]


def load_script(path: Path) -> FigureScript:
    """The script, run as a module.

    Raises:
        ValueError: a part is missing.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importable(path.parent):
        spec.loader.exec_module(module)
    missing = [part for part in PARTS if not hasattr(module, part)]
    if missing:
        raise ValueError(f"{path.name}: expected {', '.join(PARTS)}; got no {', '.join(missing)}")
    return FigureScript(path, module)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Inside this context modules are found in ``folder`` first; those found there are forgotten after it.

    Two folders may have modules of the same name.
    """
    place = str(folder.resolve())
    known = set(sys.modules)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        for name in set(sys.modules) - known:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(place):
                del sys.modules[name]


def flat_arrays(data: object, name: str = "") -> dict[str, np.ndarray]:
    """Every array, number and text in nested dicts, tuples and dataclasses, by its path: "errors/tau fixed".

    Raises:
        ValueError: what is no array, or one of objects.

    Example:
        >>> flat_arrays({"t": np.zeros(2), "runs": {"a": (1.0, "x")}, "none": None})
        {'t': array([0., 0.]), 'runs/a/0': array(1.), 'runs/a/1': array('x', dtype='<U1')}
    """
    if data is None:
        return {}
    if is_dataclass(data):
        data = {field.name: getattr(data, field.name) for field in fields(data)}
    elif isinstance(data, tuple | list):
        data = {str(k): value for k, value in enumerate(data)}
    if isinstance(data, Mapping):
        flat: dict[str, np.ndarray] = {}
        for key, value in data.items():
            flat |= flat_arrays(value, f"{name}/{key}" if name else str(key))
        return flat
    array = np.asarray(data)
    if array.dtype.kind not in "biufcU":
        raise ValueError(f"{name}: expected numbers or text, got {type(data).__name__}")
    return {name: array}


def difference(now: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], tolerance: float) -> str:
    """The first array that is not what it was, in words; empty if all are, numbers within ``tolerance``."""
    if now.keys() != before.keys():
        return f"other arrays: {', '.join(sorted(now.keys() ^ before.keys()))}"
    for name, array in now.items():
        other = before[name]
        if array.shape != other.shape:
            return f"{name}: shape {array.shape}, was {other.shape}"
        if array.dtype.kind in "U":
            if (array != other).any():
                return f"{name}: other text"
        elif array.size:
            gap, scale = _gap(array, other)
            if not gap <= tolerance * scale:
                return f"{name}: off by {gap:.1e}, {gap / scale:.1e} of its largest number (allowed {tolerance:g})"
    return ""


def _gap(array: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The largest difference where both are finite, infinity where they are not the same elsewhere; the scale."""
    kind = np.result_type(array, other, np.float64)
    a, b = array.astype(kind), other.astype(kind)
    finite = np.isfinite(a) & np.isfinite(b)
    if not ((a == b) | (np.isnan(a) & np.isnan(b)) | finite).all():
        return np.inf, 1.0
    if not finite.any():
        return 0.0, 1.0
    return float(np.abs(a[finite] - b[finite]).max()), float(np.abs(b[finite]).max()) or 1.0


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
