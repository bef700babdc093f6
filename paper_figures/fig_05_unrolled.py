"""The unrolled network beside the recursion, and the impulse response."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.unrolling import fading
from ode2rnn.discrete.unroll import impulse_response, unroll
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U1", "U3")
CLAIM = "A segment that starts from zero forgets its start when the cell's memory fades."
SEGMENT = 20  # samples of a segment in the picture of the unrolled network
RESPONSE = 40
SHOWN = 60  # samples of the series that are shown
CAPTION = (
    "A canonical RNN whose memory fades, on the series: the recursion and the unrolled network (U3), and the"
    " impulse response (U1), of which a segment of K samples keeps the first K values."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """One state of the recursion and of the unrolled network over the last samples, and the impulse response."""
    experiment = experiment or sunspots(quick)
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


def draw(data: dict[str, Any]) -> Any:
    """Left the states with the segments marked, right h[k] with the part that the segment keeps."""
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


def verdict(data: dict[str, Any]) -> Finding:
    """The largest error at the first samples of the segments, and at their last samples."""
    gap, at = np.abs(data["s"] - data["unrolled"]), data["n"] % data["K"]
    first, last = float(gap[at == 0].max()), float(gap[at == data["K"] - 1].max())
    return Finding("last below a tenth of first", f"{first:.3f} at first, {last:.4f} at last", last < first / 10)
