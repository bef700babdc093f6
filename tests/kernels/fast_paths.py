"""Every fast path of the engine, as a way to solve a Case at given times, and the compiled kernels that it runs.

A path that is added to the engine is added here: test_every_fast_path.py finds the kernels that the engine calls, and
fails for one that no path here names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any
from unittest import mock

import numpy as np
import torch
from tests.problems import Case

from ode2rnn import AdditiveModel, discretize, integrate, kernels, run
from ode2rnn.analysis.step_size.step_sweep import sweep_steps
from ode2rnn.core.signals import as_signal
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.solvers.explicit import taylor

TIGHT = {"rtol": 1e-13, "atol": 1e-14}
RK4_STEP = 2.0**-10
# steps of the recursions, halved this often from the longest that is at most 1/8; the limit of dT -> 0 is extrapolated
HALVINGS = 9


@dataclass(frozen=True)
class FastPath:
    """One fast path.

    Attributes:
        solve: the states (T, d) of a Case at times (T,).
        takes: whether it is made for a Case.
        kernels: the compiled functions that the engine calls on it, as "room.module.function".
        sampled: whether it steps a recursion, so that its dT has to be extrapolated to 0.
    """

    solve: Callable[[Case, np.ndarray], np.ndarray]
    takes: Callable[[Case], bool]
    kernels: tuple[str, ...] = ()
    sampled: bool = False


def ordinary(case: Case) -> bool:
    """No delay in the states."""
    return not case.model.delays


def delayed(case: Case) -> bool:
    """Every readout delayed."""
    return bool(case.model.delays) and case.model.undelayed("readout") is None


def known(case: Case) -> bool:
    """A registered activation."""
    return activation_code(case.model.activation) is not None


def start_of(case: Case) -> np.ndarray:
    """s(t0), (d,)."""
    value = case.s0 if case.s0 is not None else case.history
    value = value(case.t[0]) if callable(value) else value
    return np.broadcast_to(np.asarray(value, dtype=float), (case.model.width,)).copy()


def alone(method: str, **options: Any) -> Callable[[Case, np.ndarray], np.ndarray]:
    """The trajectory on its own."""

    def solve(case: Case, times: np.ndarray) -> np.ndarray:
        return case.solve(method, t=times, **(TIGHT | options)).s

    return solve


def in_company(method: str, count: int, **options: Any) -> Callable[[Case, np.ndarray], np.ndarray]:
    """The trajectory as the first and the last of a batch of others; both must be the same."""

    def solve(case: Case, times: np.ndarray) -> np.ndarray:
        s0 = start_of(case) + 0.1 * np.random.default_rng(0).normal(size=(count, case.model.width))
        s0[0] = s0[-1] = start_of(case)
        given = TIGHT | options if "dt" not in options else options
        s = case.solve(method, t=times, s0=s0, **given).s
        np.testing.assert_allclose(s[:, -1], s[:, 0], rtol=1e-12, atol=1e-13)
        return s[:, -1]

    return solve


def as_parameter_sets(case: Case, times: np.ndarray) -> np.ndarray:
    """The last of a list of models."""
    other = AdditiveModel(state=[(-np.eye(case.model.width), 0.0)], input=case.model.input)
    given = {"history": case.history, "s0": case.s0, "x": case.x, "t": times}
    return integrate([other, case.model], **given, **TIGHT).s[:, -1]


def of_order(order: int) -> Callable[[Case, np.ndarray], np.ndarray]:
    """The Taylor method of an order at a tolerance for which it would take order 20."""

    def solve(case: Case, times: np.ndarray) -> np.ndarray:
        with mock.patch.object(taylor, "order_for", return_value=order):
            return alone("taylor")(case, times)

    return solve


def in_numpy(case: Case, times: np.ndarray) -> np.ndarray:
    """The spectral method without kernels, which serves activations of the user's own."""
    with kernels.plain():
        return alone("spectral")(case, times)


def tensors(case: Case) -> Case:
    """The same in torch."""
    kinds = [
        [(torch.tensor(term.dense()), term.delay) for term in terms]
        for terms in (case.model.state, case.model.readout, case.model.input)
    ]
    model = AdditiveModel(*kinds, torch.tensor(case.model.phi), case.model.activation)
    return replace(case, model=model, s0=torch.tensor(start_of(case)))


def in_torch(case: Case, times: np.ndarray) -> np.ndarray:
    """The spectral method in torch."""
    s = alone("spectral")(tensors(case), times)
    assert torch.is_tensor(s)
    return s.numpy()


def batch_in_torch(case: Case, times: np.ndarray) -> np.ndarray:
    """The same in a batch."""
    other = tensors(case)
    s0 = torch.stack([other.s0, other.s0 + 0.1, other.s0])
    s = other.solve("spectral", t=times, s0=s0, **TIGHT).s
    torch.testing.assert_close(s[:, 2], s[:, 0], rtol=0, atol=1e-13)
    return s[:, 2].numpy()


def steps(case: Case, times: np.ndarray) -> np.ndarray:
    """Steps dT, each half the one before, that divide the delays and the times."""
    parts = [Fraction(float(v)).limit_denominator(1000) for v in (*case.model.delays, *(times - case.t[0])) if v > 0]
    common = lcm(*(part.denominator for part in parts))
    unit = gcd(*(int(part * common) for part in parts)) / common
    return unit / 2.0 ** (np.arange(HALVINGS) + np.ceil(np.log2(8 * unit)).clip(0))


def to_zero(values: np.ndarray) -> np.ndarray:
    """The limit dT -> 0 of values (HALVINGS, ...) of a rule of order one, by Richardson's extrapolation."""
    for order in range(1, len(values)):
        values = values[1:] + (values[1:] - values[:-1]) / (2.0**order - 1)
    return values[0]


def ticked(batch: bool) -> Callable[[Case, np.ndarray], np.ndarray]:
    """run() of the recursions of forward Euler, one or as many as fill a block, extrapolated."""

    def solve(case: Case, times: np.ndarray) -> np.ndarray:
        found, count = [], 4 + case.model.width // 2 if batch else 1
        for dt in steps(case, times):
            cell = discretize(case.model, dt, "forward_euler")
            memory = cell.remember(lambda n, dt=dt: _past(case, (n + 1) * dt, count), None)
            ends = np.rint((times - case.t[0]) / dt).astype(int)
            x: Any = int(ends[-1])
            if cell.input_width:
                signal = as_signal("x", case.x, cell.input_width, case.t)
                x = signal(case.t[0] + dt * np.arange(1, x + 1))
            s = run(cell, x, memory).s
            found.append(s[ends - 1][:, -1] if batch else s[ends - 1])
        return to_zero(np.array(found))

    return solve


def _past(case: Case, t: float, count: int) -> np.ndarray:
    if t == 0 or not callable(case.history):
        value = start_of(case) if t == 0 else np.broadcast_to(np.asarray(case.history, float), start_of(case).shape)
    else:
        value = case.history(case.t[0] + t)
    if count == 1:
        return np.asarray(value, dtype=float)
    others = np.linspace(0.1, 0.0, count)[:, None]
    return value + others


def swept(keep: str) -> Callable[[Case, np.ndarray], np.ndarray]:
    """sweep_steps() over the steps of implicit linear Euler (the canonical rule), extrapolated."""

    def solve(case: Case, times: np.ndarray) -> np.ndarray:
        dts, found = steps(case, times), []
        for end in times:
            given: dict[str, Any] = {"dts": np.repeat(dts, 8), "t": (case.t[0], float(end)), "history": start_of(case)}
            sweep = sweep_steps(case.model, case.x, sampling="implicit_linear", keep=keep, **given)
            found.append(to_zero(sweep.final[::8]))
        return np.array(found)

    return solve


def sweepable(case: Case) -> bool:
    """One readout, a constant past without a jump."""
    model = case.model
    return (
        known(case)
        and len(model.readout) == 1
        and all(term.delay == 0 for term in model.state)
        and not callable(case.history)
        and case.s0 is None
    )


def with_blocks(case: Case) -> bool:
    """Ordinary, and an input that is data."""
    return ordinary(case) and known(case)


def analytic(case: Case) -> bool:
    """The activations of the Taylor method."""
    return with_blocks(case) and case.model.activation.name in ("tanh", "sigmoid", "identity")


FAST_PATHS: dict[str, FastPath] = {
    "panels in NumPy": FastPath(in_numpy, delayed),
    "panels": FastPath(
        alone("spectral"),
        lambda case: delayed(case) and known(case),
        ("segment_ends", "plan_panels", "solve_panels", "sample_panels"),
    ),
    "panels of a batch": FastPath(
        in_company("spectral", 3), lambda case: delayed(case) and known(case), ("solve_panels",)
    ),
    "panels in torch": FastPath(in_torch, delayed),
    "panels of a batch in torch": FastPath(batch_in_torch, delayed),
    "Taylor, order 12": FastPath(of_order(12), analytic, ("taylor_steps", "taylor_values")),
    "Taylor, order 15": FastPath(of_order(15), analytic, ("taylor_steps", "taylor_values")),
    "Taylor, order 20": FastPath(alone("taylor"), analytic, ("taylor_steps", "taylor_values")),
    "Taylor, a batch": FastPath(in_company("taylor", 3), analytic, ("taylor_steps",)),
    "Tsit5": FastPath(alone("tsit5"), with_blocks, ("tsit5_steps", "taylor_values")),
    "Tsit5 in blocks": FastPath(in_company("tsit5", 66), with_blocks, ("tsit5_blocks",)),
    "RK4 in blocks": FastPath(in_company("rk4", 9, dt=RK4_STEP), with_blocks, ("rk4_blocks",)),
    "parameter sets": FastPath(as_parameter_sets, known),
    "ticks": FastPath(ticked(batch=False), known, ("run_ticks",), sampled=True),
    "ticks of a batch": FastPath(ticked(batch=True), known, ("run_ticks",), sampled=True),
    "a sweep of steps": FastPath(swept("range"), sweepable, ("sweep_block",), sampled=True),
}
