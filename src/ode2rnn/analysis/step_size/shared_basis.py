"""The fast path of `sweep_steps`: 64 steps at a time in one kernel.

Uses: D4, D10.  The plain path discretizes and runs each step on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ode2rnn import kernels
from ode2rnn.analysis.step_size.recursion import sample
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import check_divides
from ode2rnn.core.signals.signal import Signal
from ode2rnn.discrete.eigenbasis import Basis, eigenbasis, factors
from ode2rnn.discrete.rules import SCHEMES
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.kernels.recursions.records import Filled, ModalRecursion, PastReadouts, RunLengths

TICK = 1e-5  # seconds, about, of a tick in plain NumPy


@dataclass(frozen=True, eq=False)
class Job:
    """A model, its input (a signal, or values that serve every step), its constant past, and what to keep.

    ``start`` is s[-1]; ``before`` the state of all ticks before that and the input x[-1], by default the same state and
    zero.
    """

    model: AdditiveModel
    signal: Signal | None
    values: np.ndarray | None
    start: np.ndarray
    t0: float
    rule: tuple[str, float]
    tied: bool
    keep: str
    settle: float
    before: tuple[np.ndarray, np.ndarray] | None = None


class Kept(NamedTuple):
    """What is kept of the runs, by step: the last states and the bounds (K, d), and all states."""

    final: np.ndarray
    low: np.ndarray
    high: np.ndarray
    states: list[np.ndarray]


def run_together(job: Job, steps: np.ndarray, counts: np.ndarray, kept: Kept) -> np.ndarray:
    """Run what the kernel can run, into the arrays by step; which steps that were, (K,) of bool."""
    done = np.zeros(len(steps), dtype=bool)
    if not _fits(job) or not kernels.pays("sweep_block", TICK * float(counts.sum())):
        return done
    A = job.model.undelayed("state")
    basis = eigenbasis(np.zeros((job.model.width,) * 2) if A is None else A.dense())
    if basis is None:
        return done

    order = np.argsort(-counts, kind="stable")
    for first in range(0, len(order), kernels.COLUMNS):
        block = order[first : first + kernels.COLUMNS]
        # a block lasts as long as its longest run, whatever the others do
        if counts[block].sum() < counts[block].max() * min(2 + 2 * job.model.width // 5, 48):
            continue
        done[block] = _block(job, basis, steps, counts, block, kept)
    return done


def _fits(job: Job) -> bool:
    model = job.model
    return (
        activation_code(model.activation) is not None
        and all(term.delay == 0 for term in (*model.state, *model.input))
        and len(model.readout) == 1
        and (job.tied or SCHEMES[job.rule[0]].late or job.rule[0] == "forward_euler" or model.readout[0].delay > 0)
    )


def _block(job: Job, basis: Basis, steps: np.ndarray, counts: np.ndarray, block: np.ndarray, kept: Kept) -> bool:
    """Run the steps of a block side by side; False where the rule has no finite factors."""

    model, (name, alpha), d = job.model, job.rule, job.model.width
    with np.errstate(all="ignore"):
        rule = factors(name, steps[block], basis.values, alpha)
    if rule is None or not all(np.isfinite(factor).all() for factor in rule):
        return False  # told, with its reason, by discretize
    late = 1 if name == "forward_euler" else 0  # u[n-1] alone is u[n] of inputs one tick later
    w, p_0, p_1 = rule
    if late:
        p_0, p_1 = p_1, p_0
    readout = model.readout[0]
    least = 1 if SCHEMES[name].late else 0
    lags = [1 if job.tied else max(least, check_divides(dt, readout.delay)) for dt in steps[block].tolist()]
    pad = np.minimum(np.arange(kernels.COLUMNS), len(block) - 1)
    ticks = counts[block][pad]
    older, first = job.before or (job.start, np.zeros(model.input_width))
    x = _inputs(job, steps[block][pad], ticks, first if late else None)
    C = model.input[0].dense() if x.shape[1] else np.zeros((d, 0))
    matrices = (basis.inverse @ readout.dense(), basis.inverse @ C, basis.inverse @ model.phi)
    size, bounded, whole = d * kernels.COLUMNS, job.keep != "final", job.keep == "states"
    last, bounds = np.zeros(size), [np.full(size if bounded else 0, value) for value in (np.inf, -np.inf)]
    every = np.empty((int(ticks.max()), size) if whole else (0, 0))
    V, VB, VC, phi = (np.ascontiguousarray(m) for m in (np.zeros((0, 0)) if basis.identity else basis.V, *matrices))
    rows = [_rows(factor[pad], basis.pairs) for factor in (w, p_0)]
    rows.append(_rows(p_1[pad], basis.pairs) if p_1.any() else np.zeros(0))
    code = activation_code(model.activation)
    assert code is not None
    r, past = (np.array(model.activation.value(s)) for s in (job.start, older))
    kernels.sweep_block(
        ModalRecursion(code, V, VB, VC, phi, basis.pairs, *rows),
        RunLengths(np.array(lags)[pad] + late, ticks, (job.settle * ticks).astype(np.int64)),
        x,
        PastReadouts(basis.inverse @ job.start, r, past, np.array(first[: x.shape[1]])),
        Filled(last, bounds[0], bounds[1], every),
    )
    for column, k in enumerate(block):
        kept.final[k] = last[column :: kernels.COLUMNS]
        if bounded:
            kept.low[k], kept.high[k] = bounds[0][column :: kernels.COLUMNS], bounds[1][column :: kernels.COLUMNS]
        if whole:
            run = np.ascontiguousarray(every[: counts[k], column :: kernels.COLUMNS])
            finite = np.isfinite(run).all(axis=1)
            kept.states[k] = run if finite.all() else run[: np.argmin(finite)]
    return True


def _rows(factor: np.ndarray, pairs: int) -> np.ndarray:
    """Complex factors (COLUMNS, d) as the rows of a block, (d * kernels.COLUMNS,)."""
    rows = np.ascontiguousarray(factor.real.T)
    rows[1 : 2 * pairs : 2] = factor.imag.T[0 : 2 * pairs : 2]
    return rows.ravel()


def _inputs(job: Job, steps: np.ndarray, ticks: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """x[n] by tick, (N, m, 1) or (N, m, COLUMNS); x[n-1] with x[-1] = ``first`` (m,) where that is given."""
    longest = int(ticks.max())
    if job.signal is None:
        if job.values is None:
            return np.zeros((longest, 0, 1))
        values = job.values[:longest, :, None]
    else:
        end = job.t0 + steps * ticks
        times = np.minimum(job.t0 + steps * np.arange(1, longest + 1)[:, None], end)
        sampled = [sample(job.signal, times[:, column], steps[column]) for column in range(len(steps))]
        values = np.stack(sampled, axis=2)
    if first is not None:
        values = np.concatenate([np.broadcast_to(first[:, None], (1, *values.shape[1:])), values[:-1]])
    return np.ascontiguousarray(values)
