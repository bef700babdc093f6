"""Pictures on matplotlib axes: arrays in, Axes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ode2rnn.core.trajectory import write_whole

# the palette of Okabe and Ito, which colour-blind readers can tell apart
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX"
STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 11,
}


def new_axes(
    width: float = 8.0, height: float = 5.0, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure in the house style and its axes, as matplotlib's subplots; it needs no screen and no window."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **options)


def add_legend(ax: Axes, **where: Any) -> Axes:
    """A legend without a frame; by default where it covers least."""
    if where.pop("below", False):
        where |= {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
    if ax.get_legend_handles_labels()[1]:  # of nothing no legend, and no warning
        ax.legend(frameon=False, fontsize=9, **where)
    return ax


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write ``figure`` to ``path`` (its ending names the format), whole or not at all."""
    path = Path(path)
    # no date and no version inside, so that an unchanged figure is an unchanged file
    metadata = {".png": {"Software": None}, ".pdf": dict.fromkeys(("CreationDate", "Creator", "Producer"))}
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=150, metadata=metadata.get(path.suffix)))
    return path


def plot_states(ax: Axes, t: np.ndarray, s: np.ndarray, names: Sequence[str] = ()) -> Axes:
    """The components of a trajectory (T, d) as lines over time."""
    for i in range(s.shape[-1]):
        label = names[i] if i < len(names) else f"$s_{{{i + 1}}}$"
        ax.plot(t, s[:, i], color=COLOURS[i % len(COLOURS)], label=label, lw=1.4)
    ax.margins(x=0.01)
    return ax


def plot_samples(ax: Axes, t: np.ndarray, s: np.ndarray, samples: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """One state over continuous time as a line, and sampled runs of it as marks, by label."""
    ax.plot(t, s, color="0.15", lw=1.6, label="delay equation", zorder=3)
    for k, (label, (at, values)) in enumerate(samples.items()):
        size = 5.0 if len(at) < 80 else 2.5
        ax.plot(
            at,
            values,
            MARKS[k % len(MARKS)],
            color=COLOURS[k % len(COLOURS)],
            ms=size,
            alpha=0.85,
            label=label,
        )
    ax.margins(x=0.01)
    return ax


def plot_errors(
    ax: Axes,
    dts: np.ndarray,
    errors: Mapping[str, np.ndarray],
    orders: Mapping[str, float] | None = None,
    used: Mapping[str, np.ndarray] | None = None,
) -> Axes:
    """Error against step, log-log; a fitted order is named in the legend and drawn as a thin line.

    The line goes through the points (K,) of bool that ``used`` gives, by default through all.
    """
    for k, (label, error) in enumerate(errors.items()):
        order = None if orders is None else orders.get(label)
        good = np.isfinite(error) & (np.asarray(error) > 0)
        text = label if order is None or not np.isfinite(order) else f"{label}: slope {order:.2f}"
        colour = COLOURS[k % len(COLOURS)]
        # later marks are smaller and all are hollow: none hides another
        style = {"color": colour, "ms": 5 + 0.8 * (len(errors) - k), "mfc": "none", "mew": 1.4, "label": text}
        ax.loglog(np.asarray(dts)[good], np.asarray(error)[good], MARKS[k % len(MARKS)], **style)
        if order is not None and np.isfinite(order) and good.any():
            fitted = good if used is None else used[label]
            x, y = np.asarray(dts)[fitted], np.asarray(error)[fitted]
            centre = np.exp(np.mean(np.log(y)) - order * np.mean(np.log(x)))
            ax.loglog(x, centre * x**order, color=colour, lw=1, alpha=0.6)
    ax.set_xlabel("step dT")
    return ax


def plot_moduli(
    ax: Axes,
    dts: np.ndarray,
    moduli: Mapping[str, np.ndarray],
    growth: float,
    limits: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Axes:
    """Largest |z| against step for each scheme, the equation's own e^(growth dT), the line at 1, and limits dT*."""
    for k, (label, modulus) in enumerate(moduli.items()):
        style = {"color": COLOURS[k % len(COLOURS)], "ms": 5 + 0.8 * (len(moduli) - k), "mfc": "none", "mew": 1.4}
        ax.semilogx(dts, modulus, MARKS[k % len(MARKS)] + "-", lw=1, label=label, **style)
    if np.isfinite(growth):
        fine = np.geomspace(dts.min(), dts.max(), 200)
        own = np.exp(np.minimum(growth * fine, 100.0))
        ax.semilogx(fine, own, color="0.15", lw=1.6, ls="--", label="the equation itself")
    for k, label in enumerate(moduli):
        for first, last in (limits or {}).get(label, ()):
            colour = COLOURS[k % len(COLOURS)]
            if first == last:
                ax.axvline(first, color=colour, lw=1.4, ls=":")
            else:  # somewhere between two steps
                ax.axvspan(first, last, color=colour, alpha=0.1, lw=0)
    ax.axhline(1.0, color="0.4", lw=1)
    if ax.get_ylim()[1] > 10:
        ax.set_yscale("log")
    ax.set_xlabel("step dT")
    ax.set_ylabel("largest |z|")
    return ax


def plot_plane(ax: Axes, points: Mapping[str, np.ndarray], kind: str) -> Axes:
    """Complex numbers by label in the s-plane (stable left of the axis) or the z-plane (stable in the circle)."""
    if kind == "z":
        angle = np.linspace(0, 2 * np.pi, 200)
        ax.plot(np.cos(angle), np.sin(angle), color="0.4", lw=1)
        ax.fill(np.cos(angle), np.sin(angle), color="#009E73", alpha=0.07)
        ax.set_aspect("equal")
        ax.set_xticks([-1, -0.5, 0, 0.5, 1])
    else:
        ax.axvline(0, color="0.4", lw=1)
        ax.axhline(0, color="0.8", lw=0.8)
    for k, (label, values) in enumerate(points.items()):
        style: Any = {"color": COLOURS[k % len(COLOURS)], "label": label}
        ax.plot(values.real, values.imag, MARKS[k % len(MARKS)], ms=6, mfc="none", mew=1.4, **style)
    ax.set_xlabel("real part")
    ax.set_ylabel("imaginary part")
    return ax
