"""Networks and systems in files: a TOML config, weights, or a Python file of the user's own.

Uses: C7, C9.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ode2rnn.analysis.subject import Subject
from ode2rnn.cli.config import load_config
from ode2rnn.cli.errors import named
from ode2rnn.cli.own_file import load_own, split_place
from ode2rnn.core.systems.flow import Flow
from ode2rnn.discrete.schemes import discretize

if TYPE_CHECKING:
    import torch

ENDINGS = (".toml", ".safetensors", ".pt", ".pth", ".bin", ".py", ".py:NAME")
MIDPOINTS = 4096


@dataclass(frozen=True, eq=False)
class Saved:
    """What a file holds.

    Attributes:
        system: a System, a Flow or a torch module.
        what: it, in a line.
        x: the constant input (m,) that it is looked at under, or None for zero.
        own: the Python file that it comes from, or None.
        name: in pictures.
    """

    system: Subject | torch.nn.Module
    what: str
    x: np.ndarray | None = None
    own: Path | None = None
    name: str = ""


def load_saved(
    file: str | Path,
    kind: str = "",
    prefix: str | None = None,
    dt: float | None = None,
    scheme: str = "backward_euler",
) -> Saved:
    """The network or system in a file.

    Args:
        file: .toml, as `ode2rnn simulate` reads (without input its [model] is enough); .safetensors, a layer that its
            save() wrote or a state_dict; .pt, .pth or .bin, a state_dict that torch.save wrote (read without running
            code from it); FILE.py or FILE.py:NAME, a Python file, whose code is run.
        kind: of a state_dict: "rnn", "rnn-relu", "gru", "lstm"; by default from the shapes.
        prefix: which network, of a state_dict that holds several: what its names begin with.
        dt, scheme: of an equation, take its samples in its place.

    Raises:
        ValueError: no such file, a damaged one, no network in it, or several.
    """
    place = split_place(str(file))
    path = Path(file) if place is None else place[0]
    if place is None and path.suffix not in ENDINGS:
        raise ValueError(f"FILE: expected a name that ends in {', '.join(ENDINGS)}, got {str(path)!r}")
    if not path.is_file():
        raise ValueError(f"FILE: expected a file, got {str(path)!r}, which is none")
    if place is not None or path.suffix == ".toml":
        if kind or prefix is not None:
            raise ValueError(f"--kind: expected none, nor --prefix, for {path.name!r}, which says what it holds")
        return _own(*place, dt, scheme) if place is not None else _config(path, dt, scheme)
    if dt is not None:
        raise ValueError("--dt: expected none for a network that has steps of its own")
    from ode2rnn.cli.weights import load_weights

    return Saved(*load_weights(path, kind, prefix))


def _own(path: Path, name: str, dt: float | None, scheme: str) -> Saved:
    system, name = load_own("FILE", path, name)
    return _sampled(Saved(system, f"{path.name}:{name}, {described(system)}", own=path, name=name), dt, scheme)


def _config(path: Path, dt: float | None, scheme: str) -> Saved:
    given = load_config(path, at_rest=True)
    x, text = None, described(given.model)
    if given.x is not None:
        t0, t1 = given.span
        x = np.asarray(given.x(t0 + (t1 - t0) * (np.arange(MIDPOINTS) + 0.5) / MIDPOINTS)).mean(axis=0)
        text += f", under the mean of its input, {np.array2string(x, precision=4)}"
    return _sampled(Saved(given.model, text, x, given.own), dt, scheme)


def _sampled(saved: Saved, dt: float | None, scheme: str) -> Saved:
    """The samples of an equation in its place, where a dt is given."""
    if dt is None:
        return saved
    if not isinstance(saved.system, Flow):
        raise ValueError("--dt: expected none for a system that has steps of its own")
    with named("", {"dt": "--dt", "scheme": "--scheme", "alpha": "--scheme"}):
        samples = discretize(saved.system, dt, scheme)
    return Saved(samples, f"samples of {saved.what}, dT = {dt:g}, {scheme}", saved.x, saved.own, saved.name)


def described(system: Subject) -> str:
    """A system in a line: its type, its sizes, its delays, its parameters."""
    text = f"{type(system).__name__} with {system.width} states"
    if isinstance(system, Flow):
        text += ", delays: " + (", ".join(f"{d:g}" for d in system.delays) or "none")
    else:
        text += f", a step every {system.dt:g}"
    numbers = ", ".join(f"{name} = {float(value):g}" for name, value in system.parameters.items())
    return f"{text}, {numbers}" if numbers else text
