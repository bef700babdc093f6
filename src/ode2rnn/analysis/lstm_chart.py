"""A stability chart of the LSTM in continuous time, or of its samples, cell by cell.

Uses: K1, K3, C10, D6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.analysis.families import changed_lstm
from ode2rnn.analysis.lstm_flow import LSTMFlow
from ode2rnn.analysis.lstm_roots import lstm_equilibrium, resolved_lstm_roots
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.spectrum import discrete_roots
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.sampled import SampledLSTM


def fill_chart(
    model: ContinuousLSTM,
    axes: list[tuple[str, np.ndarray]],
    steps: Callable[[dict[str, float]], float],
    scheme: str | None,
    tied: bool,
    start: np.ndarray,
    x: Any,
    values: np.ndarray,
    rest: np.ndarray,
) -> None:
    """Write the largest real part or modulus (K, L) and the equilibria (K, L, d) of the points of the grid.

    Each equilibrium is looked for from that of the cell before. NaN where there is none, or where the roots are not
    resolved. An interrupt ends the work.
    """
    (name_1, values_1), (name_2, values_2) = axes

    def built(own: ContinuousLSTM, name: str, p: float) -> ContinuousLSTM:
        return own if name == "dT" else changed_lstm(own, name)(p)

    try:
        with progress(len(values_1), "stability chart", "row") as bar:
            for k, one in enumerate(map(float, values_1)):
                guess = start if k == 0 or np.isnan(rest[k - 1, 0]).any() else rest[k - 1, 0]
                for n, two in enumerate(map(float, values_2)):
                    step = steps({name_1: one, name_2: two})
                    own = built(built(model, name_1, one), name_2, two)
                    own = replace(own, tau=step) if tied else own
                    cell = SampledLSTM(own, step, scheme) if scheme else None
                    try:
                        rest[k, n] = guess = lstm_equilibrium(own, x, guess)
                        values[k, n] = _leading(own, cell, guess, x)
                    except SimulationError:
                        continue
                bar.update(1)
    except KeyboardInterrupt:
        pass


def _leading(model: ContinuousLSTM, cell: SampledLSTM | None, s: np.ndarray, x: Any) -> float:
    if cell is not None:
        return float(np.abs(discrete_roots(cell, s, 1, x=x)[0]))
    flow = LSTMFlow(model)
    u = flow.constant(x)
    if model.delays:
        return float(resolved_lstm_roots(model, s, u, 6, 1e-9)[0].real)
    return float(np.linalg.eigvals(flow.jacobian(s[None], u)[0]).real.max())
