"""All figures of the paper into one folder: PDF, PNG, the arrays, a manifest, and a table that says what they show."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.core.trajectory import write_whole
from ode2rnn.derivation.figure_scripts import (
    FOLDER,
    NAME,
    FigureScript,
    difference,
    file_hash,
    flat_arrays,
    load_script,
)

MANIFEST = "manifest.json"
TABLE = "README.md"
LIBRARIES = ("ode2rnn", "numpy", "scipy", "numba", "torch", "matplotlib")
SOURCES = Path(__file__).parents[1]
COLUMNS = ("figure", "section of the paper", "equations", "script", "claim", "verdict")


@dataclass(frozen=True)
class FigureOutcome:
    """What came of a figure: its verdict, or why there is none."""

    name: str
    expected: str = ""
    measured: str = ""
    holds: bool = False
    error: str = ""


def make_figure(path: Path, out: Path, quick: bool = False) -> FigureOutcome:
    """Compute and draw one figure; write NAME.pdf, NAME.png and NAME.npz into ``out``, and its part of the manifest.

    Each file is written whole or not at all. A script that breaks is an outcome with an error.
    """
    from ode2rnn.plotting import save_figure

    try:
        script = load_script(path)
        data = script.module.data(quick=quick)
        arrays = flat_arrays(data)
        found = script.module.verdict(data)
        figure = script.module.draw(data)
    except Exception as error:
        return FigureOutcome(path.stem, error=f"{type(error).__name__}: {error}")
    files = [save_figure(figure, out / f"{path.stem}.{kind}") for kind in ("pdf", "png")]
    files.append(out / f"{path.stem}.npz")
    write_whole(files[-1], lambda temporary: _save_arrays(temporary, arrays))
    outcome = FigureOutcome(path.stem, found.expected, found.measured, bool(found.holds))
    _record(out, script, quick, arrays, files, outcome)
    return outcome


def check_figure(path: Path, out: Path, quick: bool = False) -> FigureOutcome:
    """Compute the arrays of one figure again and compare them with NAME.npz in ``out``; nothing is written."""
    try:
        script = load_script(path)
        entry = read_manifest(out)["figures"].get(path.stem)
        if entry is None or not (out / f"{path.stem}.npz").is_file():
            return FigureOutcome(path.stem, error=f"not made yet in {str(out)!r}")
        if entry["quick"] != quick:
            return FigureOutcome(path.stem, error=f"was made {'with' if entry['quick'] else 'without'} --quick")
        data = script.module.data(quick=quick)
        with np.load(out / f"{path.stem}.npz", allow_pickle=False) as kept:
            told = difference(flat_arrays(data), dict(kept), script.tolerance)
        found = script.module.verdict(data)
    except Exception as error:
        return FigureOutcome(path.stem, error=f"{type(error).__name__}: {error}")
    return FigureOutcome(path.stem, found.expected, found.measured, bool(found.holds), told)


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest in ``out``; an empty one where there is none."""
    path = out / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"figures": {}}


def write_table(scripts: list[Path], out: Path) -> Path:
    """README.md: every figure with its place in the paper, its claim, and the verdict that the manifest keeps."""
    path = out / TABLE
    write_whole(path, lambda temporary: _write_text(temporary, table(scripts, read_manifest(out))))
    return path


def table(scripts: list[Path], manifest: Mapping[str, Any]) -> str:
    """The text of README.md."""
    lines = [
        "# The figures",
        "",
        "Each is made by its script: `data()` computes arrays, `draw()` makes the picture, `verdict()` decides the",
        "claim. `ode2rnn figures` makes all of them again: PDF, PNG, the arrays (NPZ), `manifest.json` and this page.",
        "`--only 23` makes one, `--quick` all at small size, and `--check` compares newly computed arrays with those",
        "here. Diagrams are drawn from the graph of the cell's own computation. The ids are those of the package's",
        "documentation.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for path in scripts:
        try:
            script = load_script(path)
        except Exception as error:
            cells: tuple[str, ...] = (path.stem.split("_")[1], "", "", path.name, "", f"does not load: {error}")
        else:
            cells = _row(script, manifest["figures"].get(script.name))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _row(script: FigureScript, entry: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The row of one figure, with the verdict that the manifest keeps."""
    verdict = "not made yet"
    if entry is not None:
        word = "holds" if entry["holds"] else "**FAILS**"
        verdict = f"{word}: {entry['measured']} (expected {entry['expected']})"
    return (
        f"[{script.number:02d}]({script.name}.png)",
        script.module.SECTION,
        ", ".join(script.module.EQUATIONS),
        f"[{script.path.name}]({script.path.name})",
        script.module.CLAIM,
        verdict,
    )


def _record(
    out: Path,
    script: FigureScript,
    quick: bool,
    arrays: Mapping[str, np.ndarray],
    files: list[Path],
    outcome: FigureOutcome,
) -> None:
    """Put one figure into the manifest."""
    manifest = read_manifest(out)
    entry: dict[str, Any] = {
        "script": script.path.name,
        "script_sha256": script.hash,
        "package_sha256": _package_hash(script.path.parent),
        "commit": _commit(script.path.parent),
        "versions": _versions(),
        "seed": getattr(script.module, "SEED", None),
        "quick": quick,
        "tolerance": script.tolerance,
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
        "outputs": {path.name: file_hash(path) for path in files},
    }
    entry |= {key: value for key, value in asdict(outcome).items() if key in ("expected", "measured", "holds")}
    figures = dict(sorted({**manifest["figures"], script.name: entry}.items()))
    text = json.dumps({"figures": figures}, indent=1, ensure_ascii=False) + "\n"
    write_whole(out / MANIFEST, lambda temporary: _write_text(temporary, text))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def _package_hash(folder: Path) -> str:
    """SHA-256 of the package's own files and of what the scripts in ``folder`` share, by name and content."""
    whole = hashlib.sha256()
    own = {path.relative_to(SOURCES).as_posix(): path for path in SOURCES.rglob("*.py")}
    kept = {name: path for name, path in own.items() if not name.startswith(FOLDER)}
    shared = {f"{FOLDER}/{path.name}": path for path in folder.glob("*.py") if not NAME.fullmatch(path.stem)}
    for name, path in sorted((kept | shared).items()):
        whole.update(name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def _commit(folder: Path) -> str | None:
    """The commit that the scripts are at, with + if files differ from it; None outside a repository."""
    try:
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/*.py")
        return _git(folder, "rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    asked = ["git", "-C", str(folder), *words]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
