"""The claims of "From RNN to Vanilla LSTM Network".  Uses: T1 to T7."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.derivation.claim import Claim, Experiment, Finding, within
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.gated.cell import LSTMState
from ode2rnn.gated.error_flow import carousel_flow
from ode2rnn.gated.transition import (
    Carousel,
    ComputedGates,
    Gate,
    GatedCarousel,
    GatedReadout,
    SplitRNN,
    WarpedUpdate,
)
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.training.gradients.bptt import bptt

G_CS, G_CU, G_CR = np.array([0.6, 0.8, 0.95]), np.array([0.4, 0.2, 0.05]), np.array([0.9, 0.5, 0.2])
LOUD = 1e6  # how much larger the input is made to see what bounds the state


def chain(experiment: Experiment) -> dict[str, Any]:
    """A cell of every step, each made of the one before, from the canonical RNN of the network on."""
    split = SplitRNN.of(canonical(experiment.model, DT))
    carousel = Carousel.of(split)
    gated = GatedCarousel.of(carousel, G_CS, G_CU)
    warped = WarpedUpdate.of(gated, warp="tanh")
    return {"T1": split, "T2": carousel, "T3": gated, "T4": warped, "T5": GatedReadout.of(warped, G_CR)}


def computed(experiment: Experiment, listening: float = 1.0, forget_bias: float = 1.0) -> ComputedGates:
    """The last step, with random gates; ``listening`` scales what it hears of its own state and readout."""
    rng, last = np.random.default_rng(6), chain(experiment)["T5"]

    def gate(bias: float) -> Gate:
        W_x, W_s, W_v = rng.standard_normal((3, 1)), rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
        return Gate(0.5 * W_x, listening * 0.5 * W_s, listening * 0.5 * W_v, bias + 0.5 * rng.standard_normal(3))

    gates = {"g_cs": gate(forget_bias), "g_cu": gate(0.0), "g_cr": gate(0.0)}
    return ComputedGates(W_r=listening * last.W_r, W_x=last.W_x, theta_s=last.theta_s, dt=DT, **gates)


def _gap(one: Trajectory, other: Trajectory) -> float:
    """The largest difference of two runs, in units of the state where that is large."""
    size = max(1.0, float(np.abs(other.s).max()))
    return max(float(np.abs(a - b).max()) for a, b in ((one.s, other.s), (one.r, other.r))) / size


def _same(experiment: Experiment, one: System, other: System, s0: LSTMState | None = None) -> Finding:
    return within(_gap(run(one, experiment.x, s0), run(other, experiment.x, s0)), 1e-14)


def _split(experiment: Experiment) -> Finding:
    return _same(experiment, chain(experiment)["T1"], canonical(experiment.model, DT))


def _identity(experiment: Experiment) -> Finding:
    cells = chain(experiment)
    return _same(experiment, cells["T2"], replace(cells["T1"], W_s=np.eye(3)))


def _unbounded(experiment: Experiment) -> Finding:
    """A constant input, nothing fed back: n times the first state after n ticks; and a state left alone stays."""
    alone = replace(chain(experiment)["T2"], W_r=np.zeros((3, 3)))
    s = run(alone, np.ones((1000, 1))).s
    quiet = run(replace(alone, theta_s=np.zeros(3)), np.zeros((1000, 1)), [0.3, -0.2, 0.1]).s
    growth, drift = float((s[-1] / s[0]).max()), float(np.abs(quiet - [0.3, -0.2, 0.1]).max())
    return Finding("1000 times, 0", f"{growth:.6g} times, {drift:g}", bool(abs(growth - 1000) < 1e-6 and drift == 0))


def _open_gates(experiment: Experiment) -> Finding:
    cells = chain(experiment)
    return _same(experiment, GatedCarousel.of(cells["T2"]), cells["T2"])


def _bounded(experiment: Experiment) -> Finding:
    """The largest |s[n]| over the bound g_cu |F_u| / (1 - g_cs), under a constant input of many sizes."""
    cell, shares = chain(experiment)["T3"], []
    for size in (1.0, -1.0, LOUD):
        s = run(cell, np.full((500, 1), size)).s
        shares.append(float((np.abs(s).max(0) / cell.bound(500, x=abs(size))).max()))
    return Finding("share of the bound <= 1", f"{max(shares):.3f}", bool(max(shares) <= 1 + 1e-14))


def _unwarped(experiment: Experiment) -> Finding:
    cells = chain(experiment)
    return _same(experiment, WarpedUpdate.of(cells["T3"]), cells["T3"])


def _small_steps(experiment: Experiment) -> Finding:
    """A million times the series: with the gates open |s[n]| <= n + 1, and <= 1 where the gates add up to 1."""
    cells, loud = chain(experiment), LOUD * experiment.x
    opened = WarpedUpdate.of(GatedCarousel.of(cells["T2"]), warp="tanh")
    share = float((np.abs(run(opened, loud).s) / np.arange(1, len(loud) + 1)[:, None]).max())
    held, before = (float(np.abs(run(cells[name], loud).s).max()) for name in ("T4", "T3"))
    measured = f"{share:.3f} (n + 1); {held:.3f}, unwarped {before:.0e}"
    return Finding("<= n + 1; <= 1", measured, bool(share <= 1 and held <= 1 + 1e-15))


def _open_readout(experiment: Experiment) -> Finding:
    cells = chain(experiment)
    return _same(experiment, GatedReadout.of(cells["T4"]), cells["T4"])


def _hidden(experiment: Experiment) -> Finding:
    """|v| <= g_cr; and a closed gate shows nothing, while the state is as if nothing were fed back."""
    cells = chain(experiment)
    over = float((np.abs(run(cells["T5"], experiment.x).r) - G_CR).max())
    closed = GatedReadout.of(cells["T4"], 0.0)
    traj, alone = run(closed, experiment.x), run(replace(closed, W_r=np.zeros((3, 3))), experiment.x)
    shown, gap = float(np.abs(traj.r).max()), float(np.abs(traj.s - alone.s).max())
    holds = bool(over <= 0 and shown == 0 and gap == 0 and np.abs(traj.s).max() > 0)
    return Finding("|v| <= g_cr; closed: 0", f"|v| - g_cr <= {over:.1e}; {shown:g}", holds)


def _is_the_lstm(experiment: Experiment) -> Finding:
    cell = computed(experiment)
    return _same(experiment, cell, cell.vanilla())


def _constant_gates(experiment: Experiment) -> Finding:
    cell = chain(experiment)["T5"]
    return _same(experiment, ComputedGates.of(cell), cell, LSTMState(np.zeros(3), np.zeros(3)))


def errors(cell: VanillaLSTM, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """psi[n] for an error of 1 in every state of the last sample, and what the carousel alone passes of it."""
    s_bar = np.zeros((len(x), cell.width))
    s_bar[-1] = 1.0
    psi = bptt(cell, x, np.zeros_like(s_bar), s_bar=s_bar).psi
    return psi, carousel_flow(cell.gates(x))


def steady(experiment: Experiment, b_cs: float) -> VanillaLSTM:
    """An LSTM that hears its input alone, and whose state gates are all G_c(b_cs)."""
    gate = Gate(np.zeros((3, 1)), None, np.zeros((3, 3)), np.full(3, b_cs))
    return replace(computed(experiment, listening=0.0), g_cs=gate).vanilla()


def _product(experiment: Experiment) -> Finding:
    """An LSTM that hears its input alone, an error at the last sample: psi against the product of its state gates."""
    psi, flow = errors(computed(experiment, listening=0.0).vanilla(), experiment.x)
    seen = flow > 1e-290
    return within(float(np.abs(psi[seen] / flow[seen] - 1).max()), 1e-12)


def _constant_error(experiment: Experiment) -> Finding:
    """State gates near 1 keep the error over the series; at 1/2 it is halved every sample; never does it grow."""
    kept, halved = (errors(steady(experiment, b), x)[1] for b, x in ((12.0, experiment.x), (0.0, experiment.x[:50])))
    N = len(kept)
    low, high = float(kept.min()), float(kept.max())
    expected = (1 + np.exp(-12.0)) ** (1.0 - N)
    right = abs(low / expected - 1) < 1e-9 and abs(halved[0, 0] * 2.0 ** (len(halved) - 1) - 1) < 1e-12
    return Finding(f"{expected:.4f} to 1", f"{low:.4f} to {high:g} over {N} samples", bool(right and high == 1.0))


TRANSITION: tuple[Claim, ...] = (
    Claim("T1", "the canonical RNN in two terms, F_s + F_u, is the canonical RNN", _split),
    Claim("T2", "W_s = I keeps all of the state: the constant error carousel", _identity),
    Claim("T2", "nothing is forgotten, so nothing bounds the state", _unbounded),
    Claim("T3", "gates on both terms; at 1 they do nothing", _open_gates),
    Claim("T3", "gates below 1 bound the state", _bounded),
    Claim("T4", "a warped update; without the warping it is the step before", _unwarped),
    Claim("T4", "a bounded update bounds the state whatever the input, here a million times the series", _small_steps),
    Claim("T5", "a gate on the readout, v in place of r; at 1 it does nothing", _open_readout),
    Claim("T5", "a state can be kept and not shown", _hidden),
    Claim("T6", "gates computed from x, v and s: the Vanilla LSTM", _is_the_lstm),
    Claim("T6", "computed gates that hear nothing are constant gates", _constant_gates),
    Claim("T7", "along the state the error is multiplied by the state gates", _product),
    Claim("T7", "state gates near 1: the error neither vanishes nor explodes", _constant_error),
)
