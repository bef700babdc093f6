"""A simulation described by a TOML file: model, input, solver and output, every value checked.

Uses: C7, C9.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.cli.files import check_name
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import brief, check_array, check_choice, check_shape
from ode2rnn.core.signals import Constant, Cubic, Held, Linear, Series, Signal, Sine, load_series
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.solvers.integrate import integrate

MODELS = {
    "continuous_rnn": ("A", "B", "C", "phi", "tau", "activation"),
    "additive": ("state", "readout", "input", "phi", "activation"),
}
INPUTS = {
    "zero": (),
    "constant": ("value",),
    "sine": ("amplitude", "omega", "phase"),
    "series": ("series", "hold", "standardize"),
}
HOLDS = {"held": Held, "linear": Linear, "cubic": Cubic}
SOLVER = ("t", "samples", "history", "s0", "method", "rtol", "atol", "dt")
OUTPUTS = {"csv": (".csv",), "npz": (".npz",), "plot": (".png", ".pdf", ".svg")}
SECTIONS = ("model", "input", "solver", "output")
# More steps or samples than this are taken for a slip of the pen.
MOST_STEPS = 10_000_000


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a config asks for.

    Attributes:
        model: the equation.
        x: its input, or None.
        t: (t0, t1), or the times to keep, in the model's unit of time (for a series, the unit of its own times).
        options: history, s0, method, rtol, atol, dt, as `integrate` takes them.
        output: file names by kind ("csv", "npz", "plot"), as the config gives them.
        series: the series behind the input, or None.
        sources: the files that were read, and that no output may overwrite.
    """

    model: AdditiveModel
    x: Signal | None
    t: tuple[float, float] | np.ndarray
    options: Mapping[str, Any]
    output: Mapping[str, Path]
    series: Series | None = None
    sources: tuple[Path, ...] = ()

    @property
    def span(self) -> tuple[float, float]:
        """(t0, t1)."""
        return float(self.t[0]), float(self.t[-1])

    def run(self, progress: bool = False) -> Trajectory:
        """Integrate.

        Raises:
            ValueError: values that do not fit together; the message names ``section.key``.
            SimulationError: the solution diverges; the error carries the valid part.
        """
        with named("solver", {"x": "input", "model": "model"}):
            return integrate(self.model, self.x, t=self.t, progress=progress, **self.options)


def load_config(path: Path, at_rest: bool = False) -> Simulation:
    """The simulation that the TOML file ``path`` describes.

    Input files are looked for in the folder of ``path``; output names are left as they are. With ``at_rest`` a model
    without input needs no section [solver].

    Raises:
        ValueError: no such file, no TOML, or a value that does not fit; one line that names ``section.key``.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"CONFIG: expected a TOML file, got {str(path)!r} ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"CONFIG: expected a TOML file in UTF-8, got {str(path)!r} ({error})") from None
    try:
        config = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"CONFIG: expected TOML, got {str(path)!r}, which is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"CONFIG: expected TOML, got {str(path)!r}, which does not parse: {error}") from None
    if at_rest and "input" not in config:
        config.setdefault("solver", {"t": [0, 1]})  # no time matters
    return parse_config(config, path.parent, (path,))


def parse_config(config: Mapping[str, Any], folder: Path = Path(), sources: tuple[Path, ...] = ()) -> Simulation:
    """The simulation that the sections "model", "input", "solver", "output" describe, as `load_config` reads them.

    Raises:
        ValueError: one line that names ``section.key``, what was expected and what came.

    Example:
        >>> config = {"model": {"kind": "continuous_rnn", "A": -1, "B": 0}, "solver": {"t": [0, 1], "history": 2}}
        >>> round(float(parse_config(config).run().s[-1, 0]), 4)
        0.7358
    """
    for name, section in config.items():
        check_choice(f"[{name[:80]}]", name, SECTIONS)
        if not isinstance(section, dict):
            raise ValueError(f"{name}: expected a section [{name}] of keys, got {brief(section)}")
    for name in ("model", "solver"):
        if name not in config:
            raise ValueError(f"[{name}]: expected this section, got a config without it")
    model = _model(config["model"])
    given = config.get("input", {"kind": "zero"})
    series = _series(given, folder)
    x = _input(given, series)
    if x is not None and not model.input:
        missing = "C" if isinstance(model, ContinuousRNN) else "input terms"
        raise ValueError(f"input.kind: expected 'zero', since the model has no {missing}, got {given['kind']!r}")
    t, options = _solver(config["solver"], series, model)
    output = config.get("output", {})
    _check_keys("output", output, tuple(OUTPUTS))
    names = {kind: check_name(f"output.{kind}", name, OUTPUTS[kind]) for kind, name in output.items()}
    if series is not None and given["series"] != "sunspots":
        sources += (folder / given["series"].rpartition(":")[0],)
    return Simulation(model, x, t, options, names, series, sources)


@contextmanager
def named(section: str, others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Rename the arguments that a ValueError names to ``section.key``; ``others`` says what is not in the section."""
    try:
        yield
    except ValueError as error:
        names, colon, rest = str(error).partition(": ")
        words = [re.sub(r"^(.*\]) delay$", r"\1.delay", word) for word in names.split(", ")]
        if not colon or any(not re.fullmatch(r"[\w.\[\]]+", word) for word in words):
            raise ValueError(f"{section}: {error}") from None
        found = others or {}
        keys = ", ".join(found.get(word, f"{section}.{word}" if section else word) for word in words)
        raise ValueError(f"{keys}: {rest}") from None


def _model(section: dict[str, Any]) -> AdditiveModel:
    kind = _kind("model", section, MODELS)
    values = {key: value for key, value in section.items() if key != "kind"}
    for key in {"A", "B", "C", "phi", "tau"} & values.keys():
        _numbers(f"model.{key}", values[key])
    if kind == "additive":
        for name in {"state", "readout", "input"} & values.keys():
            values[name] = _terms(f"model.{name}", values[name])
        with named("model"):
            return AdditiveModel(**values)
    for key in ("A", "B"):
        if key not in values:
            raise ValueError(f"model.{key}: expected a matrix as a list of rows, got none; add {key} = [[...]]")
    with named("model"):
        return ContinuousRNN(**{"C": None, "phi": None, **values})


def _terms(where: str, terms: Any) -> list[tuple[Any, float]]:
    if not isinstance(terms, list) or not all(isinstance(term, dict) for term in terms):
        raise ValueError(f"{where}: expected a list of {{matrix = [[...]], delay = 0.0}}, got {brief(terms)}")
    pairs = []
    for k, term in enumerate(terms):
        _check_keys(f"{where}[{k}]", term, ("matrix", "delay"))
        if "matrix" not in term:
            raise ValueError(f"{where}[{k}].matrix: expected a matrix as a list of rows, got none")
        for key, value in term.items():
            _numbers(f"{where}[{k}].{key}", value)
        pairs.append((term["matrix"], term.get("delay", 0.0)))
    return pairs


def _series(section: dict[str, Any], folder: Path) -> Series | None:
    if _kind("input", section, INPUTS) != "series":
        return None
    spec = section.get("series")
    if not isinstance(spec, str):
        got = "none" if spec is None else brief(spec)
        raise ValueError(f"input.series: expected 'sunspots' or 'FILE.csv:COLUMN', got {got}")
    file, colon, column = spec.rpartition(":")
    standardize = section.get("standardize", False)
    if not isinstance(standardize, bool):
        raise ValueError(f"input.standardize: expected true or false, got {brief(standardize)}")
    with named("input", {"spec": "input.series", "x": "input.series"}):
        series = load_series(f"{folder / file}:{column}" if file and colon else spec)
        return series.standardized() if standardize else series


def _input(section: dict[str, Any], series: Series | None) -> Signal | None:
    values = {key: value for key, value in section.items() if key != "kind"}
    if series is not None:
        hold = check_choice("input.hold", values.get("hold", "linear"), HOLDS)
        with named("input"):
            return HOLDS[hold](series.t, series.x)
    for key, value in values.items():
        check_shape(f"input.{key}", check_array(f"input.{key}", np.atleast_1d(_numbers(f"input.{key}", value))), ("m",))
    if section["kind"] == "zero":
        return None
    if section["kind"] == "constant" and not values:
        raise ValueError("input.value: expected a number or a list of m numbers, got none")
    with named("input"):
        return Constant(**values) if section["kind"] == "constant" else Sine(**values)


def _solver(
    section: dict[str, Any], series: Series | None, model: AdditiveModel
) -> tuple[tuple[float, float] | np.ndarray, dict[str, Any]]:
    _check_keys("solver", section, SOLVER)
    t = _times(section, series)
    length = float(t[-1]) - float(t[0])
    options = {key: section[key] for key in SOLVER if key in section and key not in ("t", "samples")}
    for key, value in options.items():
        if key != "method":
            _numbers(f"solver.{key}", value)
    for key, step in (("solver.dt", options.get("dt")), ("model: the smallest delay", min(model.delays, default=None))):
        if isinstance(step, int | float) and 0 < step < length / MOST_STEPS:
            steps = f"{length / MOST_STEPS:g}, so that t1 - t0 = {length:g} takes at most {MOST_STEPS} steps"
            raise ValueError(f"{key}: expected at least {steps}, got {step:g}")
    options.setdefault("history", [0.0] * model.width)
    for key in {"history", "s0"} & options.keys():
        with named("solver"):
            state = np.atleast_1d(check_array(key, options[key]))
            options[key] = check_shape(key, state, (model.width,))
    return t, options


def _times(section: dict[str, Any], series: Series | None) -> tuple[float, float] | np.ndarray:
    if "t" not in section and series is None:
        raise ValueError("solver.t: expected [t0, t1] or the times to keep, got none")
    given = _numbers("solver.t", section["t"]) if "t" in section else series.t[[0, -1]]  # type: ignore[union-attr]
    times = check_array("solver.t", given)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"solver.t: expected [t0, t1] or an increasing list of times, got {brief(given)}")
    first, last = float(times[0]), float(times[-1])
    if not (first < last and np.isfinite(last - first)):
        raise ValueError(f"solver.t: expected increasing times of finite length, got {first:g} to {last:g}")
    samples = section.get("samples")
    if samples is None:
        return times if len(times) > 2 else (first, last)
    whole = isinstance(samples, int) and not isinstance(samples, bool)
    if not whole or not 2 <= samples <= MOST_STEPS:
        raise ValueError(f"solver.samples: expected a whole number from 2 to {MOST_STEPS}, got {brief(samples)}")
    if len(times) > 2:
        raise ValueError(f"solver.samples: expected none beside a list of {len(times)} times t, got {samples}")
    return np.linspace(first, last, samples)


def _kind(name: str, section: dict[str, Any], known: Mapping[str, Sequence[str]]) -> str:
    if "kind" not in section:
        raise ValueError(f"{name}.kind: expected one of {', '.join(known)}; got none")
    kind = check_choice(f"{name}.kind", section["kind"], known)
    _check_keys(name, section, ("kind", *known[kind]))
    return kind


def _check_keys(name: str, section: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in section:
        if key not in known:
            check_choice(f"{name}.{key[:80]}", key, known)


def _numbers(where: str, value: Any) -> Any:
    """``value`` if it is a number or nested lists of numbers, and no text, date or truth value."""
    items = [value]
    while items:
        item = items.pop()
        if isinstance(item, list):
            items += item
        elif isinstance(item, bool) or not isinstance(item, int | float):
            raise ValueError(f"{where}: expected numbers, got {brief(item)}")
    try:
        np.array(value, dtype=float)
    except (ValueError, OverflowError):
        raise ValueError(f"{where}: expected numbers in rows of one length, got {brief(value)}") from None
    return value
