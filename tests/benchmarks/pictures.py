"""The plots that the README shows: the ratios with what is asked of them, and how time and memory grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.harness import Row
from tests.benchmarks.report import brief, number

from ode2rnn.plotting.axes import COLOURS, MARKS, new_axes


def draw_ratios(rows: Sequence[Row]) -> Any:
    """A bar for each comparison: the time of the peer over ours; a mark where the ask is."""
    shown = [row for row in brief(rows) if row.ours_error is not None and not row.percent]
    figure, ax = new_axes(10.0, 1.2 + 0.24 * len(shown))
    places, labels, place, last = [], [], 0.0, ""
    for row in shown:
        place += 1.0 if row.job == last else 1.7  # jobs stand apart
        last = row.job
        places.append(place)
        labels.append(f"{row.job}:  {row.peer}" if row.job not in (r.split(":  ")[0] for r in labels) else row.peer)
    colours = [COLOURS[0] if row.met is not False else COLOURS[1] for row in shown]
    ax.barh(places, [row.ratio for row in shown], color=colours, height=0.8)
    for n, row in enumerate(shown):
        # beside the axes, where no bar and no mark is
        ax.text(1.01, places[n], number(row.ratio), transform=ax.get_yaxis_transform(), va="center", fontsize=8)
        if row.ask is not None:
            ax.plot([row.ask] * 2, [places[n] - 0.5, places[n] + 0.5], color="black", lw=2.2)
    ax.set_yticks(places, labels, fontsize=8)
    ax.set_xscale("log")
    ends = [row.ratio for row in shown] + [row.ask for row in shown if row.ask is not None]
    ax.set_xlim(min(0.5, min(ends) / 1.5), 1.5 * max(ends))
    ax.set_ylim(places[-1] + 1, places[0] - 1)
    ax.axvline(1.0, color="0.4", lw=1)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("time of the peer over ours, at equal error, one thread")
    for colour, label in ((COLOURS[0], "target reached, or none"), (COLOURS[1], "below the target")):
        ax.barh([0.0], [0.0], color=colour, label=label)
    ax.plot([], [], color="black", lw=2.2, label="target")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


TITLES = {"width": "against the width", "trajectories": "against the trajectories", "length": "against the length"}
LABELS = {
    "width": "neurons d",
    "trajectories": "trajectories (d = 10, T = 10)",
    "length": "units of time, or ticks (d = 10)",
}


def draw_scaling(curves: dict[str, Any]) -> Any:
    """CPU time above, memory below; a dotted line grows in proportion."""
    figure, axes = new_axes(12.0, 7.5, 2, 3)
    for column, (panel, lines) in enumerate(curves.items()):
        for n, (label, line) in enumerate(lines.items()):
            style = {"marker": MARKS[n], "color": COLOURS[n], "ms": 5, "lw": 1.3, "label": label}
            axes[0, column].plot(line["x"], [1e3 * s for s in line["seconds"]], **style)
            axes[1, column].plot(line["x"], line["MB"], **style)
        axes[0, column].set_title(TITLES[panel])
        first = next(iter(lines.values()))
        low = min(line["seconds"][0] for line in lines.values()) * 1e3 / 2
        ends = [first["x"][0], first["x"][-1]]
        axes[0, column].plot(ends, [low, low * ends[1] / ends[0]], ":", color="0.5", lw=1.2, label="in proportion")
        for row, name in enumerate(("CPU time, ms", "memory, MB")):
            ax = axes[row, column]
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xlabel(LABELS[panel])
            ax.set_ylabel(name if column == 0 else "")
        handles, labels = axes[0, column].get_legend_handles_labels()
        axes[1, column].legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, fontsize=9, ncols=2
        )
    return figure
