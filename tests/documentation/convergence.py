"""The table of convergence: errors of every scheme, as `ode2rnn figures --only 02` measured and saved them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ode2rnn import SCHEMES

SAVED = Path(__file__).parents[2] / "paper_figures" / "fig_02_convergence.npz"
SHOWN = slice(0, None, 2)  # every other step
LIMIT = "tau = dT -> 0, to the ODE"


def table(saved: Path = SAVED) -> str:
    """The table in Markdown: error at some steps, the order fitted to all of them, the order declared."""
    with np.load(saved) as data:
        dts = data["dts"][SHOWN]
        rows = [("`backward_euler`, tau = dT", data[f"errors/{LIMIT}"], float(data[f"orders/{LIMIT}"]), 1)]
        for name, scheme in SCHEMES.items():
            if name != "gbt":  # tustin, backward and forward Euler are its cases
                of = f"schemes/errors/{name}", f"schemes/orders/{name}"
                rows.append((f"`{name}`", data[of[0]], float(data[of[1]]), scheme.order))
    head = ["scheme", *(f"dT = 1/{round(1 / dt)}" for dt in dts), "fitted order", "declared"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, errors, order, declared in rows:
        lines.append([name, *(f"{e:.1e}" for e in errors[SHOWN]), f"{order:.2f}", str(declared)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
