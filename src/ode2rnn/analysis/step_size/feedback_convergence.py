"""The samples of a flow whose later times see a readout beside its state, as the LSTM's do, against that flow.

Home of: K4.  Uses: K1, K2, K3.  Source: our own, as D9 for the canonical RNN.

K4  with tau fixed and dT' -> 0 the sampled LSTM (K3) converges at order 1 to the delay equation K1;
    with tau = dT -> 0 and the rates fixed it converges at order 1 to K1 with tau = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.integrate import integrate

KINDS = ("final", "maximum", "readout")


def feedback_errors(
    flow: Flow,
    x: Signal | None,
    span: tuple[float, float],
    history: tuple[np.ndarray, np.ndarray],
    cells: Sequence[System],
    counts: np.ndarray,
    rtol: float,
) -> tuple[dict[str, np.ndarray], float, float, str]:
    """The errors of s at the end and over the nodes, and of v over the nodes, for each of the cells.

    A recursion starts from s[-1] = s(t0) and v[-1] = v before t0 and takes x[n] = x(t0 + (n + 1) dT), the value before
    a jump. Where the flow has no delay v[-1] is v(t0) of the flow, whatever it was before: it is what v tends to.

    Returns:
        the errors by kind, (K,); how far a second method is from the reference; its size; and what it is.
    """
    (t0, t1), (s0, v0) = span, history
    reference, gap, source = _reference(flow, x, span, history, rtol)
    if not flow.delays:
        v0 = reference.readout(t0)
    errors = {kind: np.full(len(cells), np.inf) for kind in KINDS}
    shape = reference.s.shape[1:]
    s, v = np.broadcast_to(s0, shape), np.broadcast_to(v0, (*shape[:-1], flow.feedback_width))
    for k, (cell, count) in enumerate(zip(cells, counts.tolist(), strict=True)):
        at = t0 + cell.dt * np.arange(1, count + 1)
        inputs = np.zeros((count, flow.input_width)) if x is None else to_numpy(x.left(at))
        try:
            found = run(cell, inputs, cell.remember(lambda n: s, lambda n: v))
        except SimulationError:
            continue
        gaps = np.abs(found.s - reference(np.minimum(at, t1)))
        errors["final"][k], errors["maximum"][k] = gaps[-1].max(), gaps.max()
        errors["readout"][k] = np.abs(found.r - reference.readout(np.minimum(at, t1))).max()
    return errors, gap, float(np.abs(reference.s).max()), source


def pair_of(history: object, flow: Flow) -> tuple[np.ndarray, np.ndarray]:
    """s(t0) and v before t0, which is 0 where it is not given."""
    pair = history if isinstance(history, tuple) else (history, np.zeros(flow.feedback_width))
    s, v = (to_numpy(value) if is_torch(value) else np.asarray(value, dtype=float) for value in pair)
    return s, v


def _reference(
    flow: Flow, x: Signal | None, span: tuple[float, float], history: tuple[np.ndarray, np.ndarray], rtol: float
) -> tuple[Trajectory, float, str]:
    """The solution, how far a second method is from it, and what it is."""
    methods = ("spectral", "DOP853") if flow.delays else ("DOP853", "LSODA")
    first, second = (
        integrate(flow, x, t=span, history=history, method=method, rtol=rtol, atol=0.1 * rtol) for method in methods
    )
    times = np.linspace(*span, 257)
    gap = float(np.abs(first(times) - second(times)).max())
    return first, gap, f"{methods[0]} at rtol {rtol:g}, from {methods[1]} by {gap:.0e}"
