"""Output files: names and folders that can be written, checked before any work is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ode2rnn.core.arrays import brief


def check_name(where: str, name: object, endings: Sequence[str]) -> Path:
    """``name`` as a path that ends in one of ``endings``."""
    if not isinstance(name, str) or "\0" in name or not name.endswith(tuple(endings)) or name in endings:
        raise ValueError(f"{where}: expected a file name that ends in {' or '.join(endings)}, got {brief(name)}")
    return Path(name)


def check_folder(where: str, folder: Path) -> Path:
    """``folder`` if it is one, or can be made, and can be written into. Nothing is made here.

    Raises:
        ValueError: a file stands in the way, or there is no permission.
    """
    folder = Path(folder)
    try:
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}: expected a folder to write into, got {str(folder)!r} ({error})") from None
    if not above.is_dir():
        raise ValueError(f"{where}: expected a folder to write into, got {str(folder)!r}, but {str(above)!r} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"{where}: expected a folder to write into, got {str(folder)!r}, which may not be written")
    return folder


def check_files(names: Mapping[str, Path], out: Path, sources: Sequence[Path] = ()) -> dict[str, Path]:
    """The output files ``names`` (by key) inside ``out``: distinct, writable, and none of the ``sources``.

    A name that begins at the root of the file system keeps its place.
    """
    files: dict[str, Path] = {}
    for key, name in names.items():
        path = out / name
        check_folder("--out" if not name.is_absolute() and name.parent == Path() else key, path.parent)
        if path.is_dir():
            raise ValueError(f"{key}: expected a file, got the folder {str(path)!r}")
        if any(path.resolve() == source.resolve() for source in sources):
            raise ValueError(
                f"{key}: expected a new file, got {str(path)!r}, which this run reads; choose another name"
            )
        if any(path.resolve() == other.resolve() for other in files.values()):
            raise ValueError(f"{key}: expected a file of its own, got {str(path)!r} twice")
        files[key] = path
    return files
