"""The figures of the derivation up to the canonical RNN: data() computes arrays, draw() makes the picture.

Uses: C9, C10, D5, D6, D7, D8, D9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.spectrum import characteristic_roots, discrete_roots, equilibrium, pole_image
from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment
from ode2rnn.derivation.discretization import fixed_study, limit_distances, standard_distances, tied_study
from ode2rnn.discrete.schemes import discretize, retime

STEPS = (1.0, 0.5, 0.125)
SHOWN = 60  # samples of the series in the picture of the trajectory


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its file name, its caption, what it computes and how it is drawn."""

    name: str
    caption: str
    data: Callable[[Experiment], dict[str, Any]]
    draw: Callable[[dict[str, Any]], Any]


def trajectory_data(experiment: Experiment) -> dict[str, Any]:
    """The solution of the delay equation, and the canonical RNN at several dT, over the last samples."""
    last = experiment.samples - 1
    first = max(0, last - SHOWN)
    t = np.linspace(first, last, 20 * (last - first) + 1)
    samples = {}
    for dt in STEPS:
        cell = retime(discretize(experiment.model, 1.0), dt)
        ticks = dt * np.arange(1, round(last / dt) + 1)
        s = run(cell, experiment.signal(ticks)).s[:, 0]
        samples[f"canonical RNN, dT = {dt:g}"] = (ticks[ticks >= first], s[ticks >= first])
    series = experiment.series
    at = np.interp(t, np.arange(len(series.t)), series.t)
    moved = {k: (np.interp(n, np.arange(len(series.t)), series.t), v) for k, (n, v) in samples.items()}
    raw = np.interp(t, np.arange(len(series.t)), series.x[:, 0])
    unit = series.unit_of_time
    return {
        "t": at,
        "x": raw,
        "s": experiment.solution(t)[:, 0],
        "samples": moved,
        "name": series.name,
        "unit": unit,
    }


def draw_trajectory(data: dict[str, Any]) -> Any:
    """Above the series, below the first state and its samples."""
    from ode2rnn.plotting import add_legend, new_axes, plot_samples

    figure, (top, bottom) = new_axes(9, 5, 2, 1, sharex=True, height_ratios=[1, 2.2])
    top.plot(data["t"], data["x"], color="0.35", lw=1.3)
    top.margins(x=0.01)
    top.set_ylabel(f"input x\n({data['name']})", parse_math=False)  # a name may hold a dollar
    plot_samples(bottom, data["t"], data["s"], data["samples"])
    bottom.set_ylabel("state $s_1$")
    bottom.set_xlabel(f"time ({data['unit']})")
    add_legend(bottom, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure


def convergence_data(experiment: Experiment) -> dict[str, Any]:
    """Errors of both limits of D9, and of the trapezoidal rule, against dT."""
    studies = {
        "tau = dT -> 0, to the ODE": tied_study(experiment),
        "tau fixed, to the delay equation": fixed_study(experiment),
        "tau fixed, trapezoidal rule": fixed_study(experiment, "tustin"),
    }
    first = next(iter(studies.values()))
    return {
        "dts": first.dts,
        "errors": {k: v.errors["maximum"] for k, v in studies.items()},
        "orders": {k: v.order["maximum"] for k, v in studies.items()},
    }


def draw_convergence(data: dict[str, Any]) -> Any:
    """Log-log, with fitted slopes."""
    from ode2rnn.plotting import add_legend, new_axes, plot_errors

    figure, ax = new_axes(7, 4.6)
    plot_errors(ax, data["dts"], data["errors"], data["orders"])
    ax.set_ylabel("largest error over the samples")
    ax.set_title("The canonical RNN converges to the differential equation")
    ax.set_ylim(top=20 * ax.get_ylim()[1])
    add_legend(ax, loc="upper left")
    return figure


def poles_data(experiment: Experiment) -> dict[str, Any]:
    """Eigenvalues of A and characteristic roots; where sampling takes them."""
    model = experiment.model
    rest = equilibrium(model, np.zeros(1))
    poles = np.linalg.eigvals(model.A)
    dts = np.geomspace(1e-2, 1e2, 200)
    return {
        "poles": poles,
        "roots": characteristic_roots(model, rest, count=13),
        "paths": np.array([pole_image(poles, float(dt)) for dt in dts]),
        "images": pole_image(poles, 1.0),
        "multipliers": discrete_roots(discretize(model, 1.0), rest),
    }


def draw_poles(data: dict[str, Any]) -> Any:
    """The s-plane beside the z-plane."""
    from ode2rnn.plotting import add_legend, new_axes, plot_plane

    figure, (left, right) = new_axes(10, 5.4, 1, 2)
    plot_plane(left, {"eigenvalues of A": data["poles"], "characteristic roots, tau = 1": data["roots"]}, "s")
    left.set_title("s-plane: the differential equation")
    add_legend(left, below=True)
    for k in range(data["paths"].shape[1]):
        path = data["paths"][:, k]
        right.plot(path.real, path.imag, color="0.6", lw=0.9, label="dT from 0.01 to 100" if k == 0 else None)
    named = {
        "1 / (1 - dT lambda), dT = 1": data["images"],
        "multipliers of the canonical RNN": data["multipliers"],
    }
    plot_plane(right, named, "z")
    right.set_title("z-plane: sampled with step dT")
    add_legend(right, below=True)
    return figure


def limit_data(experiment: Experiment) -> dict[str, Any]:
    """Distances from the limit dT -> infinity."""
    dts = np.geomspace(1e-1, 1e5, 25)
    weights = limit_distances(experiment, dts)
    names = ("W_s to 0", "W_r to -A^-1 B", "W_x to -A^-1 C", "theta_s to -A^-1 phi")
    distances = {name: weights[:, k] for k, name in enumerate(names)}
    return {
        "dts": dts,
        "distances": distances | {"run to the standard RNN": standard_distances(experiment, dts)},
    }


def draw_limit(data: dict[str, Any]) -> Any:
    """Log-log against dT."""
    from ode2rnn.plotting import add_legend, new_axes, plot_errors

    figure, ax = new_axes(7, 4.6)
    plot_errors(ax, data["dts"], data["distances"])
    ax.plot(data["dts"][12:], 1 / data["dts"][12:], color="0.5", lw=1, ls="--", label="slope -1")
    ax.set_ylabel("largest difference")
    ax.set_title("dT to infinity: the canonical RNN becomes the standard RNN")
    add_legend(ax, loc="lower left")
    return figure


PICTURES: tuple[Picture, ...] = (
    Picture(
        "trajectory",
        "The delay equation driven by the series, and the canonical RNN that samples it at several dT.",
        trajectory_data,
        draw_trajectory,
    ),
    Picture(
        "convergence",
        "Error against dT with fitted slopes: both limits of D9, and the trapezoidal rule beside them.",
        convergence_data,
        draw_convergence,
    ),
    Picture(
        "poles",
        "Circles: the eigenvalues of A in the s-plane and their images 1 / (1 - dT lambda) in the z-plane (D6), inside"
        " the unit circle for every dT (grey). Squares: the whole loop linearized at rest, left as the delay equation,"
        " right as its recursion at dT = 1. At so long a step the two need not agree: here the equation leaves rest"
        " (roots right of the axis), while its recursion is stable.",
        poles_data,
        draw_poles,
    ),
    Picture(
        "limit",
        "The limit dT to infinity: the weights reach those of the standard RNN like 1 / dT (D7, D8).",
        limit_data,
        draw_limit,
    ),
)
