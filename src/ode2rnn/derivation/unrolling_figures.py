"""The figures of unrolling.  Uses: U1, U3, U4, U5."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment
from ode2rnn.derivation.figures import SHOWN, Picture
from ode2rnn.derivation.unrolling import fading, latch_study, noise_study, series_study
from ode2rnn.discrete.unroll import impulse_response, unroll

SEGMENT = 20  # samples of a segment in the picture of the unrolled network
RESPONSE = 40


def unrolled_data(experiment: Experiment) -> dict[str, Any]:
    """One state of the recursion and of the unrolled network over the last samples, and the impulse response."""
    cell, N = fading(experiment), experiment.samples
    K = min(SEGMENT, max(2, N // 2))
    shown = slice(max(0, N - SHOWN), N)
    n = np.arange(N)[shown]
    h = impulse_response(cell, RESPONSE)
    return {
        "n": n,
        "s": run(cell, experiment.x).s[shown, 2],
        "unrolled": run(unroll(cell, K), experiment.x).s[shown, 2],
        "starts": n[n % K == 0],
        "K": K,
        "h": h[:, :, 0],
        "name": experiment.series.name,
    }


def draw_unrolled(data: dict[str, Any]) -> Any:
    """Left the states with the segments marked, right h[k] with the part that the segment keeps."""
    from ode2rnn.plotting import COLOURS, add_legend, new_axes

    K = data["K"]
    figure, (left, right) = new_axes(11, 4.2, 1, 2, width_ratios=[1.8, 1])
    left.plot(data["n"], data["s"], color="0.15", lw=1.6, label="one long sequence")
    left.plot(data["n"], data["unrolled"], "o", ms=3.5, color=COLOURS[0], label=f"segments of K = {K} from zero")
    for start in data["starts"]:
        left.axvline(start - 0.5, color="0.75", lw=0.9, zorder=0)
    left.margins(x=0.01)
    left.set_xlabel("sample n")
    left.set_ylabel("state $s_3$, the slow unit")
    left.set_title("The state is lost at every start, and comes back", fontsize=10)
    add_legend(left, loc="upper left", ncols=2)
    left.set_ylim(top=left.get_ylim()[1] + 0.18 * np.ptp(left.get_ylim()))
    lags = np.arange(len(data["h"]))
    right.axvspan(-0.5, K - 0.5, color=COLOURS[2], alpha=0.08, label="kept by a segment's last sample")
    for i in range(data["h"].shape[1]):
        right.plot(lags, data["h"][:, i], "o-", ms=3, lw=1, color=COLOURS[i], label=f"$h_{{{i + 1}}}[k]$")
    right.set_xlabel("lag k")
    right.set_ylabel("d s[n+k] / d x[n]")
    right.set_title("Impulse response", fontsize=10)
    add_legend(right)
    return figure


def truncation_data(experiment: Experiment) -> dict[str, Any]:
    """Errors against K: the state on the series with its bound, the latch, the objective and its gradient."""
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


def draw_truncation(data: dict[str, Any]) -> Any:
    """Left the truncation error, which falls like rate^K; right the objective, which falls like 1 / K."""
    from ode2rnn.plotting import COLOURS, add_legend, new_axes

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


UNROLLING_PICTURES: tuple[Picture, ...] = (
    Picture(
        "unrolled",
        "A canonical RNN whose memory fades, on the series: the recursion and the unrolled network (U3), and the"
        " impulse response (U1), of which a segment of K samples keeps the first K values.",
        unrolled_data,
        draw_unrolled,
    ),
    Picture(
        "truncation",
        "The proposition U4 in figures (U5). Left: the state after the last K inputs alone against that of the whole"
        " sequence, within the bound of the contraction; and a latch, whose error stays. Right: the objective of"
        " independent segments against that of the sequence, and its gradient. It falls like 1 / K, not like the"
        " truncation error, because every segment has its early samples.",
        truncation_data,
        draw_truncation,
    ),
)
