"""Pictures of bifurcation diagrams: attractors as dots, equilibria as lines, the points where they change as marks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode2rnn.analysis.bifurcations.attractors import extremes, motion
from ode2rnn.analysis.bifurcations.diagram import Bifurcation, bifurcation
from ode2rnn.analysis.spectra.stability import STEP
from ode2rnn.plotting.axes import COLOURS, add_legend

SWEEPS = (
    ("fresh", "from fresh starts", "o", "0.72", 5.0),
    ("up", "going up", "^", COLOURS[0], 3.6),
    ("down", "going down", "v", COLOURS[1], 3.6),
)
MANY = 3000  # dots; more are drawn small
GROWING = 5.0  # steps whose gaps grow this much are drawn on a logarithmic axis
KINDS = {
    "fold": ("s", "#009E73"),
    "pitchfork": ("^", "#CC79A7"),
    "transcritical": ("v", "#CC79A7"),
    "Hopf": ("o", "#D55E00"),
    "flip": ("D", "#E69F00"),
    "Neimark-Sacker": ("o", "#56B4E9"),
}


def plot_bifurcation(ax: Axes, found: Bifurcation | Any, *args: Any, **kwargs: Any) -> Axes:
    """Attractors as dots (of an equation their maxima and minima), equilibria as lines, full where they are stable.

    After a verification points that are the solver's own are crossed out, and values at which the attractors are not
    the system's are shaded.

    Args:
        ax: the axes.
        found: a Bifurcation; or a system, with the other arguments of :func:`bifurcation`.
    """
    if not isinstance(found, Bifurcation):
        found = bifurcation(found, *args, **kwargs)
    for sweep, label, mark, colour, size in SWEEPS:
        values, seen = _dots(found, getattr(found, sweep))
        if len(values):
            shape, width = (mark, size) if len(values) <= MANY else ("o", 1.2)
            look: dict[str, Any] = {"marker": shape, "ms": width, "mew": 0, "ls": "none", "color": colour}
            ax.plot(values, seen, zorder=4, rasterized=True, **look)
            ax.plot([], [], label=label, **look | {"ms": max(width, size)})  # of a size that can be seen
    named: set[str] = set()
    for branch in found.branches:
        seen = branch.states[:, found.observe]
        for stable, style, label in ((True, "-", "stable equilibria"), (False, "--", "unstable equilibria")):
            # a piece of a line belongs to both its ends
            part = np.where(branch.stable == stable, seen, np.nan)
            joined = part.copy()
            if len(seen) > 1:
                ends = np.flatnonzero(~np.isnan(part[:-1]) & np.isnan(part[1:])) + 1
                joined[ends] = seen[ends]
            if np.isfinite(part).any():
                ax.plot(
                    branch.values, joined, style, color="0.1", lw=1.3, label=None if label in named else label, zorder=3
                )
                named.add(label)
    for point in found.points:
        mark, colour = KINDS[point.kind]
        text = f"{point.kind} at {point.value:.5g}"
        if point.between[0] != point.between[1]:
            ax.axvspan(*point.between, color=colour, alpha=0.25, lw=0)
            text = f"{point.kind} between {point.between[0]:.4g} and {point.between[1]:.4g}"
        if point.owner == "solver":
            text += " (the solver's)"
            ax.plot([point.value], [point.s[found.observe]], "x", ms=11, mew=1.8, color="black", zorder=7)
        single = sum(p.kind == point.kind for p in found.points) <= 3
        label = text if single else f"{point.kind} ({len(found.of(point.kind))} points)"
        ax.plot(
            [point.value], [point.s[found.observe]], mark, ms=8, color=colour, mec="black", zorder=6, ls="none",
            label=None if label in named else label,
        )  # fmt: skip
        named.add(label)
    _shade(ax, found)
    gaps = np.diff(found.values)
    if found.name == STEP and gaps[-1] > GROWING * gaps[0]:
        ax.set_xscale("log")
    ax.set_xlabel(found.name)
    ax.set_ylabel(f"$s_{{{found.observe + 1}}}$")
    ax.set_title(
        ("map" if found.discrete else "equation") + (f"; {found.handling}" if found.handling else ""), fontsize=10
    )
    ax.margins(x=0.01)
    return add_legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _dots(found: Bifurcation, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, seen = [], []
    finite = samples[np.isfinite(samples)]
    scale = float(np.abs(finite).max()) if len(finite) else 1.0
    for p, runs in zip(found.values, samples, strict=True):
        for run in runs:
            what = motion(run, found.discrete, scale)
            if what == "diverges":
                continue
            period = int(what.split()[1]) if what.startswith("period") else len(run)
            dots = run[-1:] if what == "rest" else run[:period] if found.discrete else extremes(run)
            values.append(np.full(len(dots), p))
            seen.append(dots)
    return (np.concatenate(values), np.concatenate(seen)) if values else (np.zeros(0), np.zeros(0))


def _shade(ax: Axes, found: Bifurcation) -> None:
    """The neighbourhood of every doubtful value."""
    edges = np.concatenate([found.values[:1], 0.5 * (found.values[1:] + found.values[:-1]), found.values[-1:]])
    where = "at a finer tolerance" if not found.discrete else "at half the step"
    for n, k in enumerate(np.flatnonzero(found.doubtful)):
        ax.axvspan(
            edges[k], edges[k + 1], color="#F0E442", alpha=0.3, lw=0, label=None if n else f"others {where}", zorder=0
        )
