"""All the analyses of motion on one network or system, as a report with pictures.

Uses: C10, D6, B4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ode2rnn.analysis.bifurcations.attractors import Attractors
from ode2rnn.analysis.bifurcations.branches import Equilibria
from ode2rnn.analysis.bifurcations.diagram import bifurcation
from ode2rnn.analysis.equilibria.fixed_points import FixedPoints, fixed_points
from ode2rnn.analysis.equilibria.phase_plane import phase_plane
from ode2rnn.analysis.memory.gradient_flow import gradient_flow
from ode2rnn.analysis.motion.lyapunov import lyapunov
from ode2rnn.analysis.subject import Subject, as_subject
from ode2rnn.cli.own_file import OwnCodeError, running
from ode2rnn.cli.saved import Saved
from ode2rnn.core.arrays import brief, check_count
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.parameters import INPUT
from ode2rnn.core.trajectory import SimulationError, write_whole
from ode2rnn.plotting import (
    draw_gradient_flows,
    new_axes,
    plot_bifurcation,
    plot_fixed_points,
    plot_lyapunov,
    plot_phase_plane,
    save_figure,
)
from ode2rnn.plotting.axes import Figure

WIDE, FEW, MANY = 64, 16, 64  # a state beyond the first is searched from fewer starts
EXPONENTS, STEPS, TIME = 6, 2000, 500.0
LENGTH = 200  # of the sequence that gradients go back through
SHARES = np.array([0.5 + 0.05 * k for k in range(21)])  # of what the number is, from half of it to half as much again
BRANCHED = 8  # of more states only the attractors: their equilibria can be hundreds


@dataclass(frozen=True, eq=False)
class Section:
    """One part of the report.

    Attributes:
        text: markdown.
        brief: the first of it in a line.
        figure: the picture, or None.
        title: of it.
        picture: file name, or "".
        failed: whether the run diverged, or something was not found.
    """

    text: str
    brief: str
    figure: Figure | None = None
    title: str = ""
    picture: str = ""
    failed: bool = False


@dataclass(frozen=True, eq=False)
class Question:
    """What the parts are asked.

    Attributes:
        system: a System or a Flow.
        name: in pictures.
        x: the constant input (m,), or None for zero.
        length: of the exponents, steps of a System, time of a Flow; None for the usual one.
        over: the parameter of the bifurcation diagram, NAME or NAME=LOW,HIGH; "" for the usual one.
        seed: of all starts.
    """

    system: Subject
    name: str
    x: np.ndarray | None
    length: int | None = None
    over: str = ""
    seed: int = 0

    @property
    def size(self) -> int:
        """How many numbers a state at rest has."""
        return Flat(self.system.settled()).size


def points(asked: Question) -> Section:
    """Fixed points with their roots or multipliers."""
    count = MANY if asked.size <= WIDE else FEW
    found = fixed_points(asked.system, asked.x, starts=count, seed=asked.seed)
    if not found.complete:
        raise KeyboardInterrupt
    if not len(found):
        return Section(_code(str(found)), "none found")
    figure, ax = new_axes(8, 5.5)
    plot_fixed_points(ax, found)
    what = "multipliers, per step" if found.discrete else "characteristic roots, per unit of time"
    text = "\n\n".join([_code(found.table()), f"Leading {what}:", _code(_roots(found))])
    stable = sum(point.stable for point in found.points)
    return Section(text, f"{len(found)} found, {stable} of them stable", figure)


def plane(asked: Question) -> Section:
    """The motion seen in a plane."""
    axes: str | tuple[int, int] = "principal" if asked.size > 2 else (0, 1)
    found = phase_plane(asked.system, asked.x, seed=asked.seed, axes=axes)
    figure, ax = new_axes(9, 6)
    plot_phase_plane(ax, found)
    text = f"Drawn in a plane; {found.held}." if found.held else "All of the state is shown."
    return Section(text, found.held or "all of the state", figure)


def exponents(asked: Question) -> Section:
    """Lyapunov exponents, and what they say of the motion."""
    system = asked.system
    if isinstance(system, Flow):
        # the state of a delay equation is its past: it has more exponents than states
        count = min(asked.size, 3 if system.delays else EXPONENTS)
        found = lyapunov(system, asked.x, T=float(asked.length or TIME), count=count, seed=asked.seed)
    else:
        count = min(asked.size, EXPONENTS)
        found = lyapunov(system, asked.x, asked.length or STEPS, count=count, seed=asked.seed)
    figure, ax = new_axes(8, 5)
    plot_lyapunov(ax, found)
    first, error = float(found.exponents[0]), float(found.errors[0])
    sure = 3 * error if np.isfinite(error) else 0.0
    word = "die out" if first < -sure else "grow: chaos" if first > sure else "stay: periodic motion, or a bifurcation"
    text = f"Deviations {word}. The largest exponent is {first:.6g} +- {error:.2g} per unit of time."
    text += "" if found.complete else " The run was interrupted."
    return Section(f"{text}\n\n{_code(str(found))}", text, figure)


def diagram(asked: Question) -> Section:
    """Attractors and equilibria over a parameter."""
    name, values, word = parameter(asked.system, asked.over)
    branches = asked.size <= BRANCHED
    found = bifurcation(
        asked.system,
        name,
        values,
        x=asked.x,
        attractors=Attractors(4, seed=asked.seed),
        equilibria=Equilibria(16, seed=asked.seed) if branches else False,
    )
    figure, ax = new_axes(9, 5.5)
    plot_bifurcation(ax, found)
    text = word
    text += "" if branches else f" Its {asked.size} states are more than {BRANCHED}: attractors only, no equilibria."
    count = f"points over {name} from {values[0]:g} to {values[-1]:g}: {len(found.points)}"
    return Section(f"{text}\n\n{_code(str(found))}", count if branches else text, figure)


def gradients(asked: Question) -> Section:
    """What becomes of an error on its way back through the ticks."""
    system = asked.system
    if isinstance(system, Flow):
        raise ValueError("an equation has no steps to go back through; give --dt for its samples")
    m, start = system.input_width, None
    inputs = np.random.default_rng(asked.seed).standard_normal((LENGTH, m)) if m else LENGTH
    if not m:
        # nothing drives it away from a rest at 0, stable or not: begin where the motion goes
        end = lyapunov(system, steps=STEPS, count=1, seed=asked.seed).s
        start = end if len(end) == system.width else None
    found = gradient_flow(system, inputs, start)
    over = " of normally distributed inputs (mean 0, deviation 1)" if m else ""
    text = (
        f"Over {LENGTH} steps{over}: {found.trend}. The leading Lyapunov exponent along this run is"
        f" {found.exponents[0]:.4g} a step."
    )
    return Section(text, found.trend, draw_gradient_flows({asked.name: found}))


PARTS: dict[str, Callable[[Question], Section]] = {
    "Fixed points": points,
    "Phase plane": plane,
    "Lyapunov exponents": exponents,
    "Bifurcations": diagram,
    "Gradient flow": gradients,
}
FILES = dict(zip(PARTS, ("fixed_points", "phase_plane", "lyapunov", "bifurcation", "gradient_flow"), strict=True))


def analyze_saved(
    saved: Saved,
    out: Path,
    *,
    length: int | None = None,
    over: str = "",
    seed: int = 0,
    on_part: Callable[[str], object] = lambda title: None,
) -> list[Section]:
    """Write report.md and its pictures into ``out``; what fails is told in its section, and the rest goes on.

    Args:
        saved: the network or system.
        out: a folder.
        length: of the exponents: steps of a System (2000), time of a Flow (500).
        over: the parameter of the bifurcation diagram, see :func:`parameter`.
        seed: of all starts.
        on_part: told the title of each part that is done.

    Raises:
        ValueError: no system, a length below 1, no such parameter.
        OwnCodeError: an exception from the user's own file.
    """
    if length is not None:
        check_count("length", length)
    name = saved.name or type(saved.system).__name__
    asked = Question(as_subject(saved.system), name, saved.x, length, over, seed)
    if over:
        parameter(asked.system, over)  # what does not fit is told before any work
    sections = []
    for title, part in PARTS.items():
        sections.append(_done(title, partial(_run, part, asked, saved.own), out))
        on_part(title)
    write_whole(out / "report.md", lambda path: _write(path, report(saved, sections)))
    return sections


def parameter(system: Subject, over: str = "") -> tuple[str, np.ndarray, str]:
    """The name of a number of the system, the values of it to look at, and this in words.

    Args:
        system: the system.
        over: NAME=LOW,HIGH; NAME alone for a range about its own value, from -1 to 1 about 0. By default the gain of
            the feedback, else the first of the system's ``parameters``, else the first input.

    Raises:
        ValueError: no such number, no range, or nothing to vary.

    Example:
        >>> from ode2rnn import Map
        >>> name, values, _ = parameter(Map(lambda s, *, r: r * s * (1 - s), 1, parameters={"r": 3.0}))
        >>> name, float(values[0]), float(values[-1])
        ('r', 1.5, 4.5)
    """
    name, equals, text = over.partition("=")
    name = name.strip() or _usual(system)
    held = INPUT.fullmatch(name)  # a constant input is known to the diagram, not to the system
    if not held:
        _known(system, name)
    if equals:
        try:
            low, high = (float(word) for word in text.split(","))
        except ValueError:
            raise ValueError(f"over: expected NAME=LOW,HIGH, got {over!r}") from None
        if not low < high < np.inf:
            raise ValueError(f"over: expected a range that rises, got {over!r}")
        return name, np.linspace(low, high, len(SHARES)), f"{name} goes from {low:g} to {high:g}."
    if name == "gain":
        word = f"The feedback is multiplied by a gain from {SHARES[0]:g} to {SHARES[-1]:g}; the network itself is at 1."
        return name, SHARES, word
    own = float(system.parameters[name] if name in system.parameters else 0.0 if held else system.value_of(name))
    values = np.sort(own * SHARES) if own else np.linspace(-1.0, 1.0, len(SHARES))
    return name, values, f"{name} goes from {values[0]:g} to {values[-1]:g}; the system itself is at {own:g}."


def _usual(system: Subject) -> str:
    """The parameter that is varied where none is said."""
    try:
        system.parameter("gain")
    except ValueError:
        pass
    else:
        return "gain"
    if system.parameters:
        return next(iter(system.parameters))
    if system.input_width:
        return "x[0]"
    raise ValueError(f"over: expected a system with a number to vary, got {brief(system)}")


def _known(system: Subject, name: str) -> None:
    try:
        system.parameter(name)
    except ValueError as error:
        raise ValueError(f"over: {str(error).removeprefix('name: ')}") from None


def _run(part: Callable[[Question], Section], asked: Question, own: Path | None) -> Section:
    with running(own):
        return part(asked)


def _done(title: str, part: Callable[[], Section], out: Path) -> Section:
    """A part with its title and its picture saved, or why there is none."""
    try:
        found = part()
    except OwnCodeError:
        raise
    except SimulationError as error:
        return Section(f"Not found: {error}.", f"not found: {error}", title=title, failed=True)
    except KeyboardInterrupt:
        return Section("Interrupted.", "interrupted", title=title, failed=True)
    except ValueError as error:  # a question that this system has no answer to, in words
        return Section(f"Not applied: {error}.", f"not applied: {error}", title=title)
    picture = "" if found.figure is None else save_figure(found.figure, out / f"{FILES[title]}.png").name
    return replace(found, title=title, picture=picture, figure=None)


def report(saved: Saved, sections: list[Section]) -> str:
    """report.md."""
    lines = [f"# {saved.what}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.text, ""]
        if section.picture:
            lines += [f"![{section.title}]({section.picture})", ""]
    return "\n".join([*lines, "Written by `ode2rnn analyze`.", ""])


def _roots(found: FixedPoints) -> str:
    lines = []
    for k, point in enumerate(found.points[:12]):
        values = [f"{z.real:.6g}" if z.imag == 0 else f"{z.real:.6g}{z.imag:+.6g}i" for z in point.roots[:6]]
        lines.append(f"{k + 1}: {', '.join(values)}{', ...' if len(point.roots) > 6 else ''}")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"```text\n{text}\n```"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
