"""Pictures of motion: phase planes and cobwebs, fixed points in their plane of roots, Lyapunov exponents on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from ode2rnn.analysis.equilibria.fixed_points import FixedPoint, FixedPoints, fixed_points
from ode2rnn.analysis.equilibria.phase_plane import PhasePlane, phase_plane
from ode2rnn.analysis.motion.lyapunov import Lyapunov, lyapunov
from ode2rnn.plotting.axes import COLOURS, add_legend, plot_plane

NULLCLINES = ("#D55E00", "#0072B2")
ARROWS = 21  # along each axis


def plot_phase_plane(ax: Axes, plane: PhasePlane | Any, *args: Any, **kwargs: Any) -> Axes:
    """Field, nullclines, orbits and fixed points; of a system of one number its rate, or its cobweb.

    Stable fixed points are full, unstable ones hollow, saddles half full, those beside the plane pale.

    Args:
        ax: the axes.
        plane: a PhasePlane; or a system, with the other arguments of :func:`phase_plane`.
    """
    if not isinstance(plane, PhasePlane):
        plane = phase_plane(plane, *args, **kwargs)
    if len(plane.axes) == 1:
        (_cobweb if plane.discrete else _line)(ax, plane)
    else:
        _plane(ax, plane)
    title = "map" if plane.discrete else "flow"
    ax.set_title(f"{title}; {plane.held}" if plane.held else title, fontsize=10)
    ax.grid(False)
    return ax


def plot_fixed_points(ax: Axes, found: FixedPoints | Any, *args: Any, **kwargs: Any) -> Axes:
    """The leading roots of every fixed point, in the plane where its stability shows.

    Args:
        ax: the axes.
        found: FixedPoints; or a system, with the other arguments of :func:`fixed_points`.
    """
    if not isinstance(found, FixedPoints):
        found = fixed_points(found, *args, **kwargs)
    shown = found.points[: len(COLOURS)]
    labels = {f"{k + 1}: {p.name}": p.roots[:40] for k, p in enumerate(shown)}
    plot_plane(ax, labels, "z" if found.discrete else "s")
    more = len(found) - len(shown)
    what = "multipliers" if found.discrete else "eigenvalues"
    number = "1 fixed point" if len(found) == 1 else f"{len(found)} fixed points"
    ax.set_title(f"{what} of {number}" + (f", {more} not shown" if more else ""))
    return add_legend(ax, below=True) if shown else ax


def plot_lyapunov(ax: Axes, found: Lyapunov | Any, *args: Any, **kwargs: Any) -> Axes:
    """The exponents as the run goes on, each with the band of its standard error.

    Args:
        ax: the axes.
        found: a Lyapunov; or a system, with the other arguments of :func:`lyapunov`.
    """
    if not isinstance(found, Lyapunov):
        found = lyapunov(found, *args, **kwargs)
    ax.axhline(0.0, color="0.4", lw=1)
    for k, (value, error) in enumerate(zip(found.exponents, found.errors, strict=True)):
        colour = COLOURS[k % len(COLOURS)]
        few = len(found.exponents) <= len(COLOURS)
        ax.semilogx(
            found.times,
            found.history[:, k],
            color=colour,
            lw=1.3,
            label=f"{value:.4g} $\\pm$ {error:.1g}" if few else None,
        )
        if np.isfinite(error) and np.isfinite(value):
            ax.axhspan(value - error, value + error, color=colour, alpha=0.2, lw=0)
    settled = found.history[len(found.history) // 20 :]
    settled = settled[np.isfinite(settled)]
    if len(settled):
        room = 0.08 * (settled.max() - settled.min()) + 1e-12 + 1e-3 * np.abs(settled).max()
        ax.set_ylim(settled.min() - room, settled.max() + room)
    if len(found.times) and found.times[-1] > 10 * found.times[0]:
        ax.xaxis.set_minor_formatter(NullFormatter())  # labels between the powers of ten run into each other
    ax.set_xlabel("time after the transient")
    ax.set_ylabel("exponent per unit of time")
    if ax.get_legend_handles_labels()[1]:
        # beside the lines, which go all the way across
        add_legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _plane(ax: Axes, plane: PhasePlane) -> None:
    a, b, field = plane.a, plane.b, plane.field
    for k, colour in enumerate(NULLCLINES):
        values = field[..., k]
        if values.min() < 0 < values.max():
            ax.contour(a, b, values, levels=[0.0], colors=colour, linewidths=1.3)
        short = _maths(plane.names[k]) if len(plane.names[k]) < 12 else f"{plane.names[k].split()[0]} axis"
        ax.plot([], [], color=colour, lw=1.3, label=f"{short} at rest")
    rows, columns = (np.unique(np.linspace(0, len(g) - 1, ARROWS).round().astype(int)) for g in (b, a))
    arrows = field[np.ix_(rows, columns)]
    length = np.linalg.norm(arrows, axis=-1, keepdims=True)
    # the direction; the length only tells slow from fast
    arrows = arrows / np.maximum(length, 1e-300) * (length / max(np.nanmax(length, initial=0.0), 1e-300)) ** 0.25
    if np.isfinite(arrows).any():  # a rate need not be defined all over the plane
        ax.quiver(
            a[columns], b[rows], arrows[..., 0], arrows[..., 1], color="0.72", width=0.0022, pivot="mid", zorder=1
        )
    for k, orbit in enumerate(plane.orbits):
        if plane.discrete:
            ax.plot(orbit[:, 0], orbit[:, 1], ".", color="0.35", ms=2.2, zorder=2, label="iterates" if k == 0 else None)
        else:
            ax.plot(orbit[:, 0], orbit[:, 1], color="0.35", lw=0.8, zorder=2, label="orbits" if k == 0 else None)
    for point, place, off in zip(plane.points.points, plane.places, plane.off, strict=True):
        _mark(ax, point, place[0], place[1], alpha=1.0 if off <= 1e-6 * (1 + np.abs(point.s).max()) else 0.35)
    ax.set_xlim(a[0], a[-1])
    ax.set_ylim(b[0], b[-1])
    ax.set_xlabel(_maths(plane.names[0]))
    ax.set_ylabel(_maths(plane.names[1]))
    add_legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _line(ax: Axes, plane: PhasePlane) -> None:
    ax.axhline(0.0, color="0.4", lw=1)
    rate = plane.field[:, 0]
    ax.plot(plane.a, rate, color=COLOURS[0], lw=1.6)
    at = np.linspace(plane.a[0], plane.a[-1], 15)
    sign = np.sign(np.interp(at, plane.a, rate))
    ax.quiver(at, 0 * at, sign, 0 * at, color="0.5", width=0.004, pivot="mid", scale=28)
    for point, place in zip(plane.points.points, plane.places, strict=True):
        _mark(ax, point, place[0], 0.0)
    ax.set_xlabel(_maths(plane.names[0]))
    ax.set_ylabel("rate")


def _cobweb(ax: Axes, plane: PhasePlane) -> None:
    after = plane.a + plane.field[:, 0]
    ax.plot(plane.a, plane.a, color="0.5", lw=1)
    ax.plot(plane.a, after, color=COLOURS[0], lw=1.6, label="$F(s)$")
    for k, orbit in enumerate(plane.orbits):
        s = orbit[:, 0]
        steps = np.stack([np.repeat(s, 2)[:-1], np.concatenate([s[:1], np.repeat(s[1:], 2)])], axis=1)
        ax.plot(steps[:, 0], steps[:, 1], color=COLOURS[1 + k % (len(COLOURS) - 1)], lw=0.8, alpha=0.8)
    for point, place in zip(plane.points.points, plane.places, strict=True):
        _mark(ax, point, place[0], place[0])
    low, high = np.append(after, plane.a).min(), np.append(after, plane.a).max()
    ax.set_xlim(plane.a[0], plane.a[-1])
    ax.set_ylim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    ax.set_xlabel("$s[n-1]$")
    ax.set_ylabel("$s[n]$")
    add_legend(ax, loc="best")


def _mark(ax: Axes, point: FixedPoint, a: float, b: float, alpha: float = 1.0) -> None:
    fill = "left" if point.kind.startswith("saddle") else "full"
    colour = "black" if point.stable or fill == "left" else "white"
    ax.plot(
        [a], [b], "o", ms=8, fillstyle=fill, mfc=colour, markerfacecoloralt="white", mec="black", mew=1.2, zorder=5,
        alpha=alpha,
    )  # fmt: skip


def _maths(name: str) -> str:
    head, underscore, index = name.partition("_")
    return f"${head}_{{{index}}}$" if underscore and index.isdigit() else name
