"""Random LSTM cells for the tests of the LSTM in continuous time, every dimension different."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn import VanillaLSTM, signals

D, M = 3, 2
S0 = np.array([0.3, -0.2, 0.1])


def lstm(seed: int = 0, dt: float = 1.0, scale: float = 0.8, peephole: str | None = "full", d: int = D) -> VanillaLSTM:
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {}
    for gate in ("cu", "cs", "du", "cr"):
        weights[f"W_x{gate}"] = scale * rng.standard_normal((d, M))
        weights[f"W_v{gate}"] = scale * rng.standard_normal((d, d))
        weights[f"b_{gate}"] = scale * rng.standard_normal(d)
        if gate != "du" and peephole is not None:
            weights[f"W_s{gate}"] = scale * rng.standard_normal((d, d) if peephole == "full" else d)
    return VanillaLSTM(**weights, dt=dt)


def inputs(kind: str, end: float, step: float = 1.0) -> signals.Signal:
    t = np.arange(0.0, end + 1.5 * step, step)
    values = np.random.default_rng(5).standard_normal((len(t), M))
    known = {
        "held": lambda: signals.Held(t, values),
        "linear": lambda: signals.Linear(t, values),
        "sine": lambda: signals.Sine(1.0, 1.3) + np.array([0.2, -0.4]),
    }
    return known[kind]()
