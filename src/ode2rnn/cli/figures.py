"""The pictures of a simulation and of the studies: arrays from the run, axes from ode2rnn.plotting."""

from __future__ import annotations

import numpy as np

from ode2rnn.cli.simulation import Simulation
from ode2rnn.cli.studies.length_scores import LengthStudy
from ode2rnn.cli.studies.steps import StepStudy
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.plotting import (
    add_legend,
    new_axes,
    plot_errors,
    plot_forecast,
    plot_learning,
    plot_lengths,
    plot_moduli,
    plot_multipliers,
    plot_scores,
    plot_states,
    save_figure,
)
from ode2rnn.plotting.axes import Figure
from ode2rnn.training.compare import Comparison
from ode2rnn.training.scores import SCORES

__all__ = ["draw_lengths", "draw_simulation", "draw_steps", "draw_training", "save_figure"]

POINTS = 2000
HUGE = 1e4  # states beyond this are drawn on a logarithmic axis
FEW = 200  # ticks up to which each is marked
MOST_NAMES = 7  # more lines than this have no names in a legend


def draw_simulation(simulation: Simulation, solution: Trajectory) -> Figure:
    """The input above, the states below, over time."""
    t, s = to_numpy(solution.t), to_numpy(solution.s)
    ticks = simulation.model.discrete
    if solution.dense is not None and not ticks:  # what happens between the nodes belongs to the picture
        t = np.union1d(np.linspace(solution.start, solution.end, POINTS), t)
        s = to_numpy(solution(t))
    driven = simulation.x is not None
    heights = [1, 2.2] if driven else [1]
    figure, rows = new_axes(9, 5 if driven else 4, len(heights), squeeze=False, sharex=True, height_ratios=heights)
    rows = rows[:, 0]
    curves = {"x": to_numpy(simulation.x(t))} if simulation.x is not None else {}
    for ax, (name, values) in zip(rows, (curves | {"s": s}).items(), strict=True):
        width = values.shape[-1]
        plot_states(ax, t, values, [f"${name}_{{{k + 1}}}$" for k in range(width)])
        for line in ax.lines if ticks and len(t) <= FEW else ():  # between its ticks a system has no state
            line.set(marker="o", markersize=3.5)
        word = {"x": "input", "s": "state"}[name]
        ax.set_ylabel(f"{word} ${name}$" if width == 1 else word if width <= MOST_NAMES else f"{width} {word}s")
        if 1 < width <= MOST_NAMES:
            add_legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    unit = simulation.series.unit_of_time if simulation.series is not None else ""
    rows[-1].set_xlabel(f"time ({unit})" if unit else "time")
    if simulation.series is not None:
        rows[0].set_ylabel(f"input x\n({simulation.series.name})", parse_math=False)  # a name may hold a dollar
    if np.abs(s).max() > HUGE:
        rows[-1].set_yscale("symlog")
        rows[-1].margins(y=0.0)
    if not solution.success:
        rows[0].set_title(f"stopped at t = {solution.end:g}")
    return figure


def draw_steps(study: StepStudy, unit: str = "") -> Figure:
    """Error against dT, beside it the largest |z| with dT*, and the multipliers in their plane."""
    known = study.stability is not None and any(np.isfinite(z).any() for z in study.stability.multipliers.values())
    figure, axes = new_axes(16.5 if known else 11, 5.5, 1, 2 + known)
    left, right = axes[:2]
    kept = {
        name: {scheme: getattr(result, name)["maximum"] for scheme, result in study.errors.items()}
        for name in ("errors", "order", "used")
    }
    plot_errors(left, study.dts, kept["errors"], kept["order"], kept["used"])
    left.set_ylabel("largest error over the samples")
    left.set_title("Accuracy: error of the recursion against the equation")
    changes = {} if study.stability is None else study.stability.changes
    inside = {
        scheme: [c.between for c in of if study.dts.min() <= c.dt <= study.dts.max()] for scheme, of in changes.items()
    }
    plot_moduli(right, study.dts, study.moduli, study.growth, inside)
    right.set_title("Stability about rest: stable below 1" + ("; dT* marked" if any(inside.values()) else ""))
    for ax in (left, right):
        ax.set_xlabel(f"step dT ({unit})" if unit else "step dT")
        add_legend(ax, below=True, ncols=2)
    if known and study.stability is not None:
        plot_multipliers(axes[2], study.stability.dts, study.stability.multipliers)
        add_legend(axes[2], below=True, ncols=2)
    return figure


def draw_training(study: Comparison) -> Figure:
    """The losses of every seed, the scores beside the baselines, and for a series the forecast beside the truth."""
    task = study.task
    series = task.t is not None
    figure, axes = new_axes(11, 8.5 if series else 4.8, 1 + series, 2, squeeze=False)
    left, right = axes[0]
    found = {name: study.of(name) for name in study.networks}
    losses = {
        name: [(o.fit.train_loss, o.fit.validation_loss, o.fit.best_epoch) for o in of] for name, of in found.items()
    }
    plot_learning(left, losses)
    left.set_title(f"{task.name}: learning, a line for each seed")
    add_legend(left)
    plot_scores(right, {name: np.array([o.score for o in of]) for name, of in found.items()}, task.baselines)
    score = SCORES[task.score]
    right.set_xlabel(f"{score.title} on the test part ({score.better} is better)")
    right.set_title("Scores of all seeds, beside the baselines")
    if task.t is not None:
        axes[1, 1].remove()
        below = axes[1, 0]
        below.set_subplotspec(below.get_gridspec()[1, :])
        outputs = {name: np.stack([task.raw(o.output[:, 0]) for o in of]) for name, of in found.items()}
        plot_forecast(below, task.t, task.raw(task.test.y[:, 0]), outputs)
        below.set_xlabel(f"time ({task.unit_of_time})")
        below.set_ylabel(task.name)
        below.set_title("Test part: one step ahead, the band spans the seeds")
        add_legend(below)
    return figure


def draw_lengths(study: LengthStudy) -> Figure:
    """The score of every network against the length of the sequence, beside the baselines."""
    score, lengths = SCORES[study.score], study.lengths
    found = {name: [study.of(name, length) for length in lengths] for name in study.networks}
    known = {name: [study.baselines[length][name] for length in lengths] for name in study.baselines[lengths[0]]}
    figure, ax = new_axes(8, 4.8)
    plot_lengths(ax, lengths, found, known, logarithmic=score.better == "lower")
    ax.set_ylabel(f"{score.title} ({score.better} is better)")
    seeds = len({s.seed for s in study.scores})
    ax.set_title(f"{study.task}: networks of as many weights, mean and range of {seeds} seed{'s' * (seeds > 1)}")
    add_legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
