"""All the analyses of motion on one network, as a report with pictures.

Uses: C10, D6, B4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.analysis.attractors import Attractors
from ode2rnn.analysis.bifurcation import bifurcation
from ode2rnn.analysis.branches import Equilibria
from ode2rnn.analysis.equilibria import FixedPoints, fixed_points
from ode2rnn.analysis.exponents import lyapunov
from ode2rnn.analysis.gradient_flow import gradient_flow
from ode2rnn.analysis.planes import phase_plane
from ode2rnn.analysis.subject import as_subject, at_rest
from ode2rnn.cli.saved import Saved
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import check_count
from ode2rnn.core.trajectory import SimulationError, write_whole

WIDE, FEW, MANY = 64, 16, 64  # a state beyond the first is searched from fewer starts
EXPONENTS, STEPS, TIME = 6, 2000, 500.0
LENGTH = 200  # of the sequence that gradients go back through
GAINS = [0.5 + 0.05 * k for k in range(21)]  # the feedback, from half of what it is to half as much again
BRANCHED = 8  # of more states only the attractors: their equilibria can be hundreds


@dataclass(frozen=True, eq=False)
class Section:
    """One part of the report.

    Attributes:
        title: of it.
        text: markdown.
        picture: file name, or "".
        failed: whether the run diverged, or something was not found.
        brief: the first of it in a line.
    """

    title: str
    text: str
    picture: str = ""
    failed: bool = False
    brief: str = ""


PARTS = ("Fixed points", "Phase plane", "Lyapunov exponents", "Bifurcations", "Gradient flow")


def analyze_saved(
    saved: Saved,
    out: Path,
    *,
    length: int | None = None,
    seed: int = 0,
    on_part: Callable[[str], object] = lambda title: None,
) -> list[Section]:
    """Write report.md and its pictures into ``out``; what fails is told in its section, and the rest goes on.

    Args:
        saved: the network.
        out: a folder.
        length: of the exponents: steps of a map (2000), time of an equation (500).
        seed: of all starts.
        on_part: told the title of each part that is done.
    """
    if length is not None:
        check_count("length", length)
    system, x = saved.system, saved.x
    system = as_subject(system)
    rule, flow = at_rest(system), not system.discrete
    found: dict[str, FixedPoints] = {}

    def points() -> Section:
        from ode2rnn.plotting import new_axes, plot_fixed_points

        count = MANY if rule.size <= WIDE else FEW
        found["all"] = result = fixed_points(system, x, starts=count, seed=seed)
        picture = ""
        if len(result):
            figure, ax = new_axes(8, 5.5)
            plot_fixed_points(ax, result)
            picture = _save(figure, out, "fixed_points")
        if not result.complete:
            raise KeyboardInterrupt
        what = "multipliers, per step" if result.discrete else "characteristic roots, per unit of time"
        lines = (
            [_code(result.table()), f"Leading {what}:", _code(_roots(result))] if len(result) else [_code(str(result))]
        )
        stable = sum(point.stable for point in result.points)
        return Section("", "\n\n".join(lines), picture, brief=f"{len(result)} found, {stable} of them stable")

    def plane() -> Section:
        from ode2rnn.plotting import new_axes, plot_phase_plane

        axes: Any = "principal" if rule.size > 2 else (0, 1)
        result = phase_plane(system, x, seed=seed, axes=axes)
        figure, ax = new_axes(9, 6)
        plot_phase_plane(ax, result)
        text = f"Drawn in a plane; {result.held}." if result.held else "All of the state is shown."
        return Section("", text, _save(figure, out, "phase_plane"), brief=result.held or "all of the state")

    def exponents() -> Section:
        from ode2rnn.plotting import new_axes, plot_lyapunov

        over: dict[str, Any] = {"T": float(length or TIME)} if flow else {"steps": length or STEPS}
        count = min(rule.size, 3 if flow and system.delays else EXPONENTS)
        result = lyapunov(system, x, count=count, seed=seed, **over)
        figure, ax = new_axes(8, 5)
        plot_lyapunov(ax, result)
        first, error = float(result.exponents[0]), float(result.errors[0])
        sure = 3 * error if np.isfinite(error) else 0.0
        word = (
            "die out" if first < -sure else "grow: chaos" if first > sure else "stay: periodic motion, or a bifurcation"
        )
        text = f"Deviations {word}. The largest exponent is {first:.6g} +- {error:.2g} per unit of time."
        text += "" if result.complete else " The run was interrupted."
        return Section("", f"{text}\n\n{_code(str(result))}", _save(figure, out, "lyapunov"), brief=text)

    def diagram() -> Section:
        from ode2rnn.plotting import new_axes, plot_bifurcation

        branches = rule.size <= BRANCHED
        search = Equilibria(16, seed=seed) if branches else False
        result = bifurcation(
            system,
            "gain",
            GAINS,
            x=x,
            attractors=Attractors(4, seed=seed),
            equilibria=search,
        )
        figure, ax = new_axes(9, 5.5)
        plot_bifurcation(ax, result)
        text = f"The feedback is multiplied by a gain from {GAINS[0]:g} to {GAINS[-1]:g}; the network itself is at 1."
        text += "" if branches else f" Its {rule.size} states are more than {BRANCHED}: attractors only, no equilibria."
        brief = f"points of the gain from {GAINS[0]:g} to {GAINS[-1]:g}: {len(result.points)}" if branches else text
        return Section("", f"{text}\n\n{_code(str(result))}", _save(figure, out, "bifurcation"), brief=brief)

    def gradients() -> Section:
        from ode2rnn.plotting import draw_gradient_flows

        cell, why = _one_recursion(system)
        if cell is None:
            return Section("", f"Not applied: {why}.", brief="not applied")
        m = int(cell.input_width)
        inputs = np.random.default_rng(seed).standard_normal((LENGTH, m)) if m else LENGTH
        result = gradient_flow(cell, inputs)
        text = (
            f"Over {LENGTH} steps of normally distributed inputs (mean 0, deviation 1): {result.verdict}. The leading"
            f" Lyapunov exponent along this run is {result.exponents[0]:.4g} a step."
        )
        picture = _save(draw_gradient_flows({type(cell).__name__: result}), out, "gradient_flow")
        return Section("", text, picture, brief=result.verdict)

    sections = []
    for title, part in zip(PARTS, (points, plane, exponents, diagram, gradients), strict=True):
        try:
            done = part()
            sections.append(Section(title, done.text, done.picture, False, done.brief))
        except SimulationError as error:
            sections.append(Section(title, f"Not found: {error}.", "", True, f"not found: {error}"))
        except KeyboardInterrupt:
            sections.append(Section(title, "Interrupted.", "", True, "interrupted"))
        on_part(title)
    write_whole(out / "report.md", lambda path: _write(path, report(saved, sections)))
    return sections


def report(saved: Saved, sections: list[Section]) -> str:
    """report.md."""
    lines = [f"# {saved.what}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.text, ""]
        if section.picture:
            lines += [f"![{section.title}]({section.picture})", ""]
    return "\n".join([*lines, "Written by `ode2rnn analyze`.", ""])


def _one_recursion(system: Any) -> tuple[Any, str]:
    """The cell whose gradients are looked at; or none, and why."""
    if isinstance(system, AdditiveModel):
        return None, "an equation has no steps to go back through; give --dt for its samples"
    if not hasattr(system, "num_layers"):
        return system, ""  # samples of a model
    if system.num_layers > 1:
        return None, "it goes through one recursion, and this is a stack"
    if hasattr(system, "places"):
        return system.cell(), ""
    from ode2rnn import nn

    own: dict[str, Any] = {"RNN": nn.StandardRNN, "LSTM": nn.VanillaLSTM, "GRU": nn.GRU}
    return own[type(system).__name__].from_torch(system).cell(), ""


def _roots(found: FixedPoints) -> str:
    lines = []
    for k, point in enumerate(found.points[:12]):
        values = [f"{z.real:.6g}" if z.imag == 0 else f"{z.real:.6g}{z.imag:+.6g}i" for z in point.roots[:6]]
        lines.append(f"{k + 1}: {', '.join(values)}{', ...' if len(point.roots) > 6 else ''}")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"```text\n{text}\n```"


def _save(figure: Any, out: Path, name: str) -> str:
    from ode2rnn.plotting import save_figure

    return save_figure(figure, out / f"{name}.png").name


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
