"""What every run returns: a solution with its dense output, its status and what it cost."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.arrays import Array, brief, check_array, to_numpy


@dataclass(frozen=True)
class Stats:
    """What a run cost.

    Attributes:
        method: the method or scheme that ran.
        evaluations: evaluations of the right-hand side, counted in time points.
        steps: accepted steps (panels, ticks).
        rejected: steps that were tried and not accepted.
        breaking_points: times inside the range at which the solution is less smooth, and where steps end.
    """

    method: str
    evaluations: int = 0
    steps: int = 0
    rejected: int = 0
    breaking_points: int = 0

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


REACHED = "the end of the range was reached"
UNTOLD = Stats("")
NO_KNOTS = np.zeros(0)


class _Late:
    """A field that is given as an array, or as a function that is called when the field is first asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, holder: object, owner: type | None = None) -> Any:
        if holder is None:
            raise AttributeError(self.name)  # the field has no default
        value = holder.__dict__[self.name]
        if callable(value):
            value = holder.__dict__[self.name] = value()
        return value

    def __set__(self, holder: object, value: object) -> None:
        holder.__dict__[self.name] = value


@dataclass(frozen=True, eq=False, init=False)
class Trajectory:
    """A solution at times t, and between them.

    Attributes:
        t: times (T,), in the unit of the model's rates; a tensor where s is one.
        s: states (T, ..., d).
        r: readouts G(s), (T, ..., d); of an LSTM its v, (T, ..., d_v).
        x: inputs (T, ..., m), or None for a model without input.
        stats: what the run cost.
        status: 0 if the end was reached, -1 if the run stopped early (then this is the valid part).
        message: what happened, in words.
        dense: the dense output, times (T,) -> (T, ..., d); None for a trajectory loaded from a file.
        shown: the dense output of an LSTM's readout v, as ``readout(t)`` gives it; None of others, whose readout is a
            function of s.
        knots: breaking points of the solution, for a run that takes this one as its history.

    Calling the trajectory, ``traj(t)``, gives s at any time in the range.
    """

    t: Array
    s: Array
    r: Array = _Late()
    x: Array | None = _Late()
    stats: Stats = _Late()  # type: ignore[assignment]
    status: int = 0
    message: str = REACHED
    dense: Callable[[np.ndarray], Array] | None = field(default=None, repr=False)
    knots: np.ndarray = field(default=_Late(), repr=False)  # type: ignore[arg-type]
    span: tuple[float, float] | None = None
    shown: Callable[[np.ndarray], Array] | None = field(default=None, repr=False)

    def __init__(
        self,
        t: Array,
        s: Array,
        r: Array,
        x: Array | None,
        stats: Stats = UNTOLD,
        status: int = 0,
        message: str = REACHED,
        dense: Callable[[np.ndarray], Array] | None = None,
        knots: np.ndarray = NO_KNOTS,
        span: tuple[float, float] | None = None,
        shown: Callable[[np.ndarray], Array] | None = None,
    ) -> None:
        # all at once: one by one, the fields of a frozen class cost as much as twenty steps of two states
        values = {"t": t, "s": s, "r": r, "x": x, "stats": stats, "status": status, "message": message}
        self.__dict__.update(values, dense=dense, knots=knots, span=span, shown=shown)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "r": self.r, "x": self.x, "stats": self.stats, "knots": self.knots}

    @property
    def success(self) -> bool:
        """Whether the end of the range was reached."""
        return self.status == 0

    @property
    def start(self) -> float:
        """First time at which ``traj(t)`` is defined."""
        return float(self.span[0] if self.span else self.t[0])

    @property
    def end(self) -> float:
        """Last time at which ``traj(t)`` is defined."""
        return float(self.span[1] if self.span else self.t[-1])

    def __call__(self, t: ArrayLike) -> Array:
        """Dense output: a time gives s of shape (..., d), times (T,) give (T, ..., d).

        Raises:
            ValueError: a time outside the range, or a trajectory that came from a file.
        """
        times = to_numpy(check_array("t", t))
        if self.dense is None:
            raise ValueError(
                "t: this trajectory was loaded from a file, or failed in its first step, or was solved with"
                " adjoint=True, and keeps no dense output; use .t and .s"
            )
        slack = 1e-12 * max(1.0, abs(self.start), abs(self.end))
        inside = (times >= self.start - slack) & (times <= self.end + slack)
        if not inside.all():
            bad = times[~inside].flat[0]
            raise ValueError(f"t: expected times in [{self.start:g}, {self.end:g}], got {bad:g}")
        values = self.dense(times.reshape(-1))
        return values.reshape((*times.shape, *values.shape[1:]))

    def readout(self, t: ArrayLike) -> Array:
        """The readout between the samples: at a time (..., d), or at times (T,), (T, ..., d).

        Raises:
            ValueError: a time outside the range, or a trajectory whose readout between the samples is not known.
        """
        if self.shown is None:
            raise ValueError(
                "t: no readout of its own between the samples is kept: of a network it is model.readout(traj(t))"
            )
        return replace(self, dense=self.shown)(t)

    def failed(self, message: str) -> Trajectory:
        """The same values, marked as the valid part of a run that stopped early."""
        return replace(self, status=-1, message=message)

    def save(self, path: str | Path) -> Path:
        """Write t, s, r, x to ``path``: .npz keeps shapes; .csv has a column per component.

        The file is written whole or not at all.

        Raises:
            ValueError: another ending than .npz or .csv.
        """
        path = as_path(path)
        writers = {".npz": self._write_npz, ".csv": self._write_csv}
        if path.suffix not in writers:
            raise ValueError(f"path: expected a name that ends in .npz or .csv, got {path.name!r}")
        write_whole(path, writers[path.suffix])
        return path

    @staticmethod
    def load(path: str | Path) -> Trajectory:
        """Read a trajectory that :meth:`save` wrote as .npz (without its dense output).

        Raises:
            ValueError: a file that :meth:`save` did not write.
            FileNotFoundError: no file there.
        """
        path = as_path(path)
        expected = f"path: expected an .npz file written by Trajectory.save, got {path.name!r}"
        if path.suffix != ".npz":
            raise ValueError(expected)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
        except (ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
            raise ValueError(f"{expected}, which does not read ({error})") from None
        missing = {"t", "s", "r", "status", "message", "stats"} - arrays.keys()
        if missing:
            raise ValueError(f"{expected}, which lacks {sorted(missing)}")
        method, *counts = arrays["stats"].tolist()
        return Trajectory(
            arrays["t"],
            arrays["s"],
            arrays["r"],
            arrays.get("x"),
            Stats(method, *(int(n) for n in counts)),
            int(arrays["status"]),
            str(arrays["message"]),
        )

    def _write_npz(self, path: Path) -> None:
        counts = (self.stats.evaluations, self.stats.steps, self.stats.rejected, self.stats.breaking_points)
        arrays: dict[str, Any] = {"t": to_numpy(self.t), "s": to_numpy(self.s), "r": to_numpy(self.r)}
        if self.x is not None:
            arrays["x"] = to_numpy(self.x)
        with open(path, "wb") as file:
            np.savez(
                file,
                status=np.array(self.status),
                message=np.array(self.message),
                stats=np.array([self.stats.method, *map(str, counts)]),
                **arrays,
            )

    def _write_csv(self, path: Path) -> None:
        columns: list[tuple[str, np.ndarray]] = [("t", to_numpy(self.t))]
        for name, array in (("s", self.s), ("r", self.r), ("x", self.x)):
            if array is None:
                continue
            values = to_numpy(array)
            for index in np.ndindex(values.shape[1:]):
                columns.append((name + "_" + "_".join(map(str, index)), values[(slice(None), *index)]))
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([name for name, _ in columns])
            writer.writerows(zip(*([repr(float(v)) for v in column] for _, column in columns), strict=True))


class SimulationError(RuntimeError):
    """A run that could not go on: it diverged, or no step was small enough.

    Attributes:
        trajectory: the part that is valid, its status -1; None if there is none.
    """

    def __init__(self, message: str, trajectory: Trajectory | None = None) -> None:
        super().__init__(message)
        self.trajectory = trajectory


class Interrupted(KeyboardInterrupt):
    """A run that was stopped by an interrupt (Ctrl-C).

    Attributes:
        trajectory: the part that was done, its status -1.
    """

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


def as_path(value: object) -> Path:
    """The name of a file as a Path."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"path: expected the name of a file, got {brief(value)}")
    return Path(value)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it: the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
