"""A simulation described by a TOML file: model, input, solver and output, every value checked.

The model is a network by its matrices, or an object of a Python file of the user's own, which is then run.

Uses: C7, C9.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.analysis.subject import Subject
from ode2rnn.cli.errors import named
from ode2rnn.cli.files import check_name
from ode2rnn.cli.own_file import load_own, split_place
from ode2rnn.cli.simulation import Simulation
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import brief, check_array, check_choice, check_shape
from ode2rnn.core.signals import Constant, Cubic, Held, Linear, Series, Signal, Sine, load_series
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow

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
TICKS = ("t", "history", "s0")  # all that a system with ticks of its own takes
OUTPUTS = {"csv": (".csv",), "npz": (".npz",), "plot": (".png", ".pdf", ".svg")}
SECTIONS = ("model", "input", "solver", "output")
# More steps or samples than this are taken for a slip of the pen.
MOST_STEPS = 10_000_000


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
    # the model comes first: the input and the solver are checked against its widths and delays
    section = config["model"]
    place = _place(section)
    own = None if place is None else folder / place[0]
    model = _model(section) if place is None else load_own("model.file", folder / place[0], place[1])[0]
    given = config.get("input", {"kind": "zero"})
    series = _series(given, folder)
    x = _input(given, series)
    if x is not None and not model.input_width:
        missing = {"continuous_rnn": "C", "additive": "input terms"}.get(section.get("kind", ""), "input")
        raise ValueError(f"input.kind: expected 'zero', since the model has no {missing}, got {given['kind']!r}")
    t, options = _solver(config["solver"], series, model)
    output = config.get("output", {})
    _check_keys("output", output, tuple(OUTPUTS))
    names = {kind: check_name(f"output.{kind}", name, OUTPUTS[kind]) for kind, name in output.items()}
    if series is not None and given["series"] != "sunspots":
        sources += (folder / given["series"].rpartition(":")[0],)
    if own is not None:
        sources += (own,)
    return Simulation(model, x, t, options, names, series, sources, own)


def _place(section: dict[str, Any]) -> tuple[Path, str] | None:
    """The file and the name of [model] file = "FILE.py:NAME"; None where the model is in the config itself."""
    if "file" not in section:
        return None
    for key in section:
        if key != "file":
            raise ValueError(f"model.{key[:80]}: expected none beside file, which says what the model is")
    place = split_place(section["file"]) if isinstance(section["file"], str) else None
    if place is None:
        raise ValueError(f"model.file: expected 'FILE.py:NAME', or 'FILE.py', got {brief(section['file'])}")
    return place


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


def _terms(where: str, terms: object) -> list[tuple[Any, float]]:
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
    section: dict[str, Any], series: Series | None, model: Subject
) -> tuple[tuple[float, float] | np.ndarray, dict[str, Any]]:
    _check_keys("solver", section, SOLVER)
    for key in () if isinstance(model, Flow) else section:
        if key not in TICKS:
            raise ValueError(f"solver.{key}: expected none, since the model has ticks of its own, got {section[key]}")
    t = _times(section, series)
    length = float(t[-1]) - float(t[0])
    options = {key: section[key] for key in SOLVER if key in section and key not in ("t", "samples")}
    for key, value in options.items():
        if key != "method":
            _numbers(f"solver.{key}", value)
    # what would take for ever is refused before it starts: each of these is at least one step
    steps_of = {"solver.dt": options.get("dt")}
    if isinstance(model, Flow):
        steps_of["model: the smallest delay"] = min(model.delays, default=None)
    else:
        steps_of["model: its tick"] = model.dt
        if len(t) > 2 or length < model.dt:
            raise ValueError(f"solver.t: expected [t0, t1] of at least a tick, {model.dt:g}, got {t[0]:g} to {t[-1]:g}")
    for key, step in steps_of.items():
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


def _numbers(where: str, value: object) -> Any:
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


def configured(path: Path) -> tuple[dict, str]:
    """The arguments of step_study that a config gives, and the unit of time."""
    given = load_config(path)
    model = as_flow("model.file", given.model, "which has ticks of its own; a step dT is one of an equation")
    arguments = {"model": model, "x": given.x, "t": given.span, "history": given.options["history"]}
    unit = given.series.unit_of_time if given.series is not None else ""
    return arguments | {"s0": given.options.get("s0")}, unit


def numbers_in(name: str, text: str, kind: type = float, example: str = "1,0.5,0.25") -> list:
    """The numbers in a text, separated by commas.

    Raises:
        ValueError: anything else, by the ``name`` of the option.
    """
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name}: expected {what} separated by commas, as in {example}; got {text!r}") from None
