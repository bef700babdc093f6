"""Real series that drive a network: the bundled yearly sunspot numbers, and any column of a CSV file."""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from ode2rnn.core.arrays import check_array, check_increasing, check_shape

LEAST = 4  # values; fewer cannot show a trajectory, let alone an order


@dataclass(frozen=True, eq=False)
class Series:
    """A measured series x(t), one value at each time.

    Attributes:
        name: what is measured.
        t: strictly increasing times (N,), N >= 4.
        x: values (N, 1).
        unit_of_time: the unit of t, for labels.

    Raises:
        ValueError: wrong shapes, NaN or infinity, times that do not increase, fewer than 4 values.

    Example:
        >>> series = Series("x", np.arange(4.0), np.array([[1.0], [2.0], [3.0], [4.0]]), "s")
        >>> series.standardized().x[:, 0].round(3)
        array([-1.342, -0.447,  0.447,  1.342])
    """

    name: str
    t: np.ndarray
    x: np.ndarray
    unit_of_time: str

    def __post_init__(self) -> None:
        times = check_increasing("t", self.t, least=LEAST)
        object.__setattr__(self, "t", times)
        object.__setattr__(self, "x", check_shape("x", check_array("x", self.x), (times.size, 1)))

    def standardized(self) -> Series:
        """The series with mean 0 and standard deviation 1 (that of the N values, not of a sample).

        Raises:
            ValueError: a series that is constant up to round-off.
        """
        size = float(np.abs(self.x).max())
        values = self.x / size if size else self.x  # so that no sum of squares overflows or vanishes
        if np.ptp(values) <= 8 * np.finfo(float).eps:
            raise ValueError(
                f"x: expected values that vary, got the constant series {self.name!r} ({self.x[0, 0]:g}); "
                "choose another column"
            )
        for _ in range(2):  # the second pass removes the round-off of a mean that is large beside the spread
            values = values - values.mean()
            values = values / values.std()
        return replace(self, x=values)


def load_series(spec: str) -> Series:
    """The bundled series, or a column of a CSV file.

    Args:
        spec: ``"sunspots"``, the yearly sunspot numbers 1700 to 2008 with t in years; or
            ``"FILE.csv:COLUMN"``, the column of that name (the last ``:`` splits) with t = 0 .. N-1 in
            samples. The file is comma-separated UTF-8 text, its first line the column names.

    Returns:
        A Series of N >= 4 values, x of shape (N, 1).

    Raises:
        ValueError: anything that is not such a spec or such a file; the message gives the line.

    Source: NOAA National Geophysical Data Center, public domain; see ``data/README.md`` beside this file.

    Example:
        >>> series = load_series("sunspots")
        >>> series.t[0], series.t[-1], series.x.shape, series.unit_of_time
        (np.float64(1700.0), np.float64(2008.0), (309, 1), 'year')
    """
    if spec == "sunspots":
        table = _Table("sunspots.csv", files("ode2rnn.core").joinpath("data/sunspots.csv").read_text("utf-8"))
        return Series("sunspots", table.column("year"), table.column("sunspots")[:, None], "year")
    if not isinstance(spec, str) or ":" not in spec:
        hint = "; did you mean 'sunspots'?" if difflib.get_close_matches(str(spec).lower(), ["sunspots"]) else ""
        if isinstance(spec, str) and os.path.isfile(spec):
            hint = "; add a colon and the name of a column"
        raise ValueError(f"spec: expected 'sunspots' or 'FILE.csv:COLUMN', got {spec!r}{hint}")
    file, _, column = spec.rpartition(":")
    if not file or not column.strip():
        missing = "a column name after" if file else "a file name before"
        raise ValueError(f"spec: expected {missing} the last colon, as in 'FILE.csv:COLUMN', got {spec!r}")
    values = _Table(file, _read_text(file)).column(column.strip())
    return Series(column.strip(), np.arange(values.size, dtype=np.float64), values[:, None], "sample")


class _Table:
    """The rows of a CSV text under its header, each with its line number."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        rows = self._rows(text)
        if not rows:
            raise self._bad("a line of column names and values below it", "an empty file", "check the path")
        first, header = rows[0]
        self.names = [cell.strip() for cell in header]
        self.rows = rows[1:]
        if not any(self.names):
            raise self._bad("column names", "an empty line", "delete it", first)
        if all(_number(name) is not None for name in self.names):
            numbers, example = _brief(",".join(header)), ",".join(f"x{i}" for i, _ in enumerate(header[:3]))
            fix = f"add a first line such as {example!r}"
            raise self._bad("a header of column names", f"the numbers {numbers}", fix, first)
        for line, row in self.rows:
            if row and len(row) != len(header):
                fix = "quote cells that hold a comma, and fill or delete the line"
                raise self._bad(f"{len(header)} cells as in the header", str(len(row)), fix, line)

    def _rows(self, text: str) -> list[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = []
        try:
            for row in reader:
                rows.append((reader.line_num, row))
        except csv.Error as error:
            got = f"a line that does not parse ({error})"
            raise self._bad("comma-separated values", got, "check its quotes", reader.line_num) from None
        while rows and not "".join(rows[-1][1]).strip() and len(rows[-1][1]) <= 1:
            rows.pop()  # blank lines at the end
        return rows

    def column(self, name: str) -> np.ndarray:
        """The values (N,) of the column ``name``."""
        if name not in self.names:
            raise self._no_column(name)
        if self.names.count(name) > 1:
            raise self._bad(f"one column {name!r}", str(self.names.count(name)), "rename the others")
        at = self.names.index(name)
        cells = [(line, row[at].strip() if row else "") for line, row in self.rows]
        if len(cells) < LEAST:
            raise self._bad(f"at least {LEAST} rows below the header", str(len(cells)), "use a longer series")
        if not any(cell for _, cell in cells):
            raise self._bad(f"numbers in column {name!r}", "an empty column", "choose another column")
        return np.array([self._value(name, line, cell) for line, cell in cells])

    def _value(self, name: str, line: int, cell: str) -> float:
        value = _number(cell)
        if value is not None and math.isfinite(value):
            return value
        kind = "a number" if value is None else "a finite number"
        got = _brief(cell) if cell else "an empty cell"
        fix = "write it as in 12.5 or 1e-3" if cell and value is None else "fill the gap or delete the line"
        raise self._bad(f"{kind} in column {name!r}", got, fix, line)

    def _no_column(self, name: str) -> ValueError:
        known = ", ".join(_brief(other) for other in self.names[:20]) + ", ..." * (len(self.names) > 20)
        fix = _nearest(name, self.names) or "choose one of these columns"
        other = next((mark for mark in (";", "\t", "|") if mark in self.names[0]), None)
        if len(self.names) == 1 and other:
            fix = f"the file seems to be separated by {other!r}, save it with commas"
        return self._bad(f"one of the columns {known}", repr(name), fix)

    def _bad(self, expected: str, got: str, fix: str, line: int | None = None) -> ValueError:
        where = repr(self.file) if line is None else f"{self.file!r}, line {line}"
        return ValueError(f"spec: {where}: expected {expected}, got {got}; {fix}")


def _read_text(file: str) -> str:
    path = Path(file)
    if not os.path.isfile(file):
        if os.path.exists(file):
            raise ValueError(f"spec: expected a CSV file, got {file!r}, which is not a file; name a file in it")
        raise ValueError(f"spec: expected a CSV file, got {file!r}, which does not exist; {_nearest_file(path)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"spec: expected a readable CSV file, got {file!r} ({reason}); check its permissions"
        ) from None
    except UnicodeDecodeError as error:
        byte = f"the byte {error.object[error.start]:#04x} at position {error.start}"
        raise ValueError(
            f"spec: expected CSV text in UTF-8, got {file!r} with {byte}; save it as CSV in UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(f"spec: expected CSV text in UTF-8, got the binary file {file!r}; export it as CSV")
    return text


def _nearest(name: str, known: list[str]) -> str:
    lower = {other.lower(): other for other in reversed(known) if other}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"did you mean {lower[near[0]]!r}?" if near else ""


def _nearest_file(path: Path) -> str:
    try:
        return _nearest(path.name, [entry.name for entry in path.parent.iterdir()]) or "check the path"
    except (OSError, ValueError):
        return "check the path"


def _number(text: str) -> float | None:
    """The number that ``text`` spells (NaN and infinity among them), or None."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _brief(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
