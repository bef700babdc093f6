"""The sampled LSTM converges to the LSTM in continuous time.

Home of: K4.  Uses: K1, K2, K3.  Source: our own, as D9 for the canonical RNN.

K4  with tau fixed and dT' -> 0 the sampled LSTM (K3) converges at order 1 to the delay equation K1;
    with tau = dT -> 0 and the rates fixed it converges at order 1 to K1 with tau = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.analysis.convergence import Convergence, check_steps, count_steps
from ode2rnn.analysis.order import fit_order
from ode2rnn.core.arrays import brief, check_choice, is_torch, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.cell import LSTMState
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.rates import RULES
from ode2rnn.gated.sampled import LATE, LSTMMemory, SampledLSTM
from ode2rnn.gated.segment import LSTMTrajectory
from ode2rnn.solvers.arguments import check_times
from ode2rnn.solvers.integrate import integrate

KINDS = ("final", "maximum", "readout")


def lstm_convergence(
    model: ContinuousLSTM,
    x: Any = None,
    *,
    t: tuple[float, float],
    history: Any,
    dts: Sequence[float],
    scheme: str = "backward_euler",
    delay: str = "fixed",
    rtol: float = 1e-12,
) -> Convergence:
    """Errors of the sampled LSTM for a list of steps, and the fitted orders (K4).

    The recursion starts from s[-1] = s(t0) and takes x[n] = x(t0 + (n + 1) dt), the value before a jump.

    Args:
        model: a ContinuousLSTM; with tau = 0 where the delay is tied.
        x: its input, one of ode2rnn.signals or a function of time.
        t: (t0, t1), in the model's unit of time.
        history: s(t0), (..., d), or a pair of it and of v before t0, both constant; v = 0 by default. Where the
            delay is tied v[-1] is v(t0) of the equation, whatever it was before.
        dts: at least two steps, decreasing; each divides t1 - t0 and, where the delay is fixed, tau.
        scheme: "backward_euler" or "exponential".
        delay: "fixed": the model's own tau, dT' -> 0. "tied": for every dt the model with tau = dt, whose limit is the
            ``model`` with tau = 0. There v[n] depends on v[n-1] at the same time in the limit, and the recursion
            follows only where that dependence contracts (small W_vcr).
        rtol: relative tolerance of the reference; its error is estimated by a second method, "DOP853" beside
            "spectral", or "LSODA" beside "DOP853" for tau = 0.

    Returns:
        A Convergence whose kinds are "final" and "maximum" of s, and "readout", the largest error of v.

    Raises:
        ValueError: arguments that do not fit, before any work is done.
    """
    if not isinstance(model, ContinuousLSTM):
        raise ValueError(f"model: expected a ContinuousLSTM, got {brief(model)}")
    tied = check_choice("delay", delay, ("fixed", "tied")) == "tied"
    if tied == bool(model.delay):
        raise ValueError(f"delay: expected 'tied' for tau = 0, 'fixed' for tau > 0, got {delay!r}, {model.delay:g}")
    if scheme == LATE:
        raise ValueError(f"scheme: expected one of {', '.join(RULES)}, got {scheme!r}, which is delay='tied'")
    model, (t0, t1) = model.like(np.zeros(1)), check_times(t)[0]
    pair = history if isinstance(history, tuple) else (history, np.zeros(model.width))
    s0, v0 = (to_numpy(value) if is_torch(value) else np.asarray(value, dtype=float) for value in pair)
    steps = check_steps(dts)
    counts = np.array([count_steps(dt, (t0, t1)) for dt in steps.tolist()])
    cells = [discretize(replace(model, tau=dt) if tied else model, dt, scheme) for dt in steps.tolist()]
    reference, gap, source = _reference(model, x, (t0, t1), (s0, v0), rtol)
    if tied:
        v0 = reference.readout(t0)
    signal = reference if x is None else x
    errors = {kind: np.full(len(steps), np.inf) for kind in KINDS}
    for k, (cell, dt, count) in enumerate(zip(cells, steps, counts, strict=True)):
        at = t0 + dt * np.arange(1, count + 1)
        inputs = np.zeros((count, model.input_width)) if x is None else _before(signal, at)
        s, v = (np.broadcast_to(value, reference.s.shape[1:]) for value in (s0, v0))
        lag = cell.lag if isinstance(cell, SampledLSTM) else 0
        start = LSTMMemory((s,) * lag, (v,) * lag) if lag else LSTMState(s, v)
        try:
            found = run(cell, inputs, start)
        except SimulationError:
            continue
        gaps = np.abs(found.s - reference(np.minimum(at, t1)))
        errors["final"][k], errors["maximum"][k] = gaps[-1].max(), gaps.max()
        errors["readout"][k] = np.abs(found.r - reference.readout(np.minimum(at, t1))).max()
    floor = np.maximum(gap, np.finfo(float).eps * np.abs(reference.s).max() * (100 + counts))
    fits = {kind: fit_order(steps, errors[kind], floor) for kind in KINDS}
    used = {kind: fits[kind][1] for kind in KINDS}
    ends = {kind: steps[used[kind]][[0, -1]] if used[kind].any() else (np.nan, np.nan) for kind in KINDS}
    order = {kind: fits[kind][0] for kind in KINDS}
    ranges = {kind: (float(first), float(last)) for kind, (first, last) in ends.items()}
    return Convergence(scheme, delay, steps, errors, order, used, ranges, source, floor)


def _before(signal: Any, at: np.ndarray) -> np.ndarray:
    left = getattr(signal, "left", None)
    return to_numpy(signal(at) if left is None else left(at))


def _reference(
    model: ContinuousLSTM, x: Any, span: tuple[float, float], history: Any, rtol: float
) -> tuple[LSTMTrajectory, float, str]:
    """The solution, how far a second method is from it, and what it is."""
    methods = ("spectral", "DOP853") if model.delay else ("DOP853", "LSODA")
    first, second = (
        integrate(model, x, t=span, history=history, method=method, rtol=rtol, atol=0.1 * rtol) for method in methods
    )
    assert isinstance(first, LSTMTrajectory)
    times = np.linspace(*span, 257)
    gap = float(np.abs(first(times) - second(times)).max())
    return first, gap, f"{methods[0]} at rtol {rtol:g}, from {methods[1]} by {gap:.0e}"
