"""What a segment of K samples loses: the state, the objective and its gradient."""

from __future__ import annotations

from typing import Any

from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.unrolling import latch_study, noise_study, series_study
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U4", "U5")
CLAIM = "The truncation error stays below its bound and falls like rate^K; where memory does not fade, it stays."
CAPTION = (
    "The proposition U4 in figures (U5). Left: the state after the last K inputs alone against that of the whole"
    " sequence, within the bound of the contraction; and a latch, whose error stays. Right: the objective of"
    " independent segments against that of the sequence, and its gradient. It falls like 1 / K, not like the"
    " truncation error, because every segment has its early samples."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Errors against K: the state on the series with its bound, the latch, the objective and its gradient."""
    experiment = experiment or sunspots(quick)
    series, noise, fails = series_study(experiment), noise_study(experiment), latch_study()
    return {
        "K": series.lengths,
        "error": series.error / series.scale,
        "bound": series.bound / series.scale,
        "rate": series.rate,
        "latch_K": fails.lengths,
        "latch": fails.error / fails.scale,
        "segments": series.segments,
        "objective": series.objective_error,
        "gradient": series.gradient_error,
        "noise_K": noise.segments,
        "noise_objective": noise.objective_error,
        "noise_gradient": noise.gradient_error,
        "latch_segments": fails.segments,
        "latch_objective": fails.objective_error,
        "name": experiment.series.name,
    }


def draw(data: dict[str, Any]) -> Any:
    """Left the truncation error, which falls like rate^K; right the objective, which falls like 1 / K."""
    figure, (left, right) = new_axes(11, 4.6, 1, 2)
    name = data["name"].replace("$", r"\$")
    left.semilogy(data["K"], data["bound"], "--", color="0.3", lw=1.2, label=f"bound, rate {data['rate']:.3f}")
    left.semilogy(data["K"], data["error"], color=COLOURS[0], lw=1.8, label=f"error, {name}")
    left.semilogy(data["latch_K"], data["latch"], color=COLOURS[1], lw=1.8, label="a latch: the memory does not fade")
    left.set_ylim(bottom=max(1e-16, 0.3 * data["error"].min()))
    left.set_xlabel("K, samples")
    left.set_ylabel("largest |s[n] - s$_K$[n]| / largest |s|")
    left.set_title("What the last K inputs do not tell", fontsize=10)
    add_legend(left)
    rows = (
        ("segments", "objective", COLOURS[0], "o-", f"objective, {name}"),
        ("segments", "gradient", COLOURS[0], "s--", f"gradient, {name}"),
        ("noise_K", "noise_objective", COLOURS[2], "o-", "objective, noise"),
        ("noise_K", "noise_gradient", COLOURS[2], "s--", "gradient, noise"),
        ("latch_segments", "latch_objective", COLOURS[1], "o-", "objective, latch"),
    )
    for K, error, colour, style, label in rows:
        right.loglog(data[K], data[error], style, color=colour, ms=4, lw=1.2, mfc="none", label=label)
    guide = data["noise_K"]
    right.loglog(guide, 0.2 * data["noise_gradient"][0] * guide[0] / guide, color="0.5", lw=1, ls=":", label="1 / K")
    right.set_xlabel("K, samples of a segment")
    right.set_ylabel("relative error")
    right.set_title("What the segments change in the objective", fontsize=10)
    add_legend(right)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether the error is below the bound for every K, and what is left of it; the latch's is not gone."""
    below = bool((data["error"] <= data["bound"] * (1 + 1e-9) + 1e-12).all())
    left, latch = float(data["error"][-1] / data["error"][0]), float(data["latch"][-1] / data["latch"][0])
    measured = f"error {left:.0e} of its first value, latch {latch:.2f}"
    return Finding("error below bound, latch above 0.5", measured, below and left < 0.05 and latch > 0.5)
