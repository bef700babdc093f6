"""The claims of the LSTM in continuous time, and of networks run at another sampling step.  Uses: K1 to K4, D11."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ode2rnn.analysis.step_size.convergence import Convergence, convergence
from ode2rnn.analysis.step_size.retiming import Retiming, as_signal_of, retiming
from ode2rnn.core.run import run
from ode2rnn.core.signals import Linear
from ode2rnn.derivation.claim import Claim, Experiment, Finding, close, within
from ode2rnn.derivation.lstm import lstm
from ode2rnn.discrete.schemes import retime, undiscretize
from ode2rnn.gated.cell import G_c, G_d, peephole
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.rates import RULES
from ode2rnn.gated.sampled import SampledLSTM
from ode2rnn.solvers.integrate import integrate
from ode2rnn.training.data import Sequences
from ode2rnn.training.fit import fit

HALVINGS = tuple(2.0**-k for k in range(4, 10))
FACTORS = (1, 2, 4, 8, 16, 32, 64)
END = 6.0  # samples of the series for the studies of the step
SHOWN = 40  # samples on which trained networks are retimed
UNITS, EPOCHS, WINDOW, TRAINED = 6, 15, 12, 240
NETWORKS = ("VanillaLSTM", "CanonicalRNN")


def _beginning(experiment: Experiment) -> Linear:
    """The first samples of the series, joined by straight lines; the first value holds beyond a short series."""
    x = experiment.x[: int(END) + 1]
    x = np.concatenate([x, np.repeat(x[-1:], int(END) + 1 - len(x), axis=0)])
    return Linear(np.arange(END + 1), x)


def _two_methods(experiment: Experiment) -> Finding:
    """Collocation, linear in s within a delay, and DOP853, to which the equation is any other."""
    model, x = undiscretize(lstm()), _beginning(experiment)
    at, rest = np.linspace(0, END, 121), np.zeros(model.width)
    found = [
        integrate(model, x, t=at, history=rest, method=name, rtol=1e-11, atol=1e-12) for name in ("spectral", "DOP853")
    ]
    gaps = [np.abs(found[0].s - found[1].s).max(), np.abs(found[0].r - found[1].r).max()]
    return within(float(max(gaps)), 1e-9, " (s and v)")


def _identity(experiment: Experiment) -> Finding:
    """The recursion that samples K1, by both rules, at tau = dT; s and v over the whole series."""
    cell, worst = lstm(), 0.0
    own = run(cell, experiment.x)
    for rule in RULES:
        sampled = run(SampledLSTM(ContinuousLSTM(cell, rule=rule), cell.dt, rule), experiment.x)
        worst = max(worst, float(np.abs(sampled.s - own.s).max()), float(np.abs(sampled.r - own.r).max()))
    return within(worst, 1e-14, " (backward Euler, exponential)")


def _backward_euler(experiment: Experiment) -> Finding:
    """(s[n] - s[n-1]) / dT = -kappa_s s[n] + kappa_u u on the run of the LSTM itself, over the size of the rates."""
    cell = lstm()
    model, own = undiscretize(cell), run(cell, experiment.x)
    s, v = (np.concatenate([np.zeros((1, cell.width)), values[:-1]]) for values in (own.s, own.r))
    rates = model.rates(model.known(experiment.x), s, v)
    kappa_s, kappa_u = np.exp(rates.log_s), np.exp(rates.log_u)
    gap = (own.s - s) / cell.dt + kappa_s * own.s - kappa_u * rates.u
    return within(float((np.abs(gap) / (1 + kappa_s)).max()), 1e-13)


def _shifted(experiment: Experiment) -> Finding:
    """The LSTM's own equations with the shifted forget activation and the rescaled update gate, at dT / 4."""
    cell, m = lstm(), 4
    fine = retime(cell, cell.dt / m)
    x = as_signal_of(experiment.x, cell.dt, "held")
    inputs = x.left(cell.dt / m * np.arange(1, m * min(experiment.samples, 100) + 1))
    own = run(fine, inputs)
    zero, worst = np.zeros((m, cell.width)), 0.0
    S, V = np.concatenate([zero, own.s]), np.concatenate([zero, own.r])
    for n in range(len(inputs)):
        before, s, v = S[n + m - 1], S[n], V[n]
        alpha_cs = cell.W_xcs @ inputs[n] + peephole(cell.W_scs, s) + cell.W_vcs @ v + cell.b_cs
        g_cu = G_c(cell.W_xcu @ inputs[n] + peephole(cell.W_scu, s) + cell.W_vcu @ v + cell.b_cu)
        g_cs = G_c(alpha_cs + np.log(m))
        after = g_cs * before + g_cu * g_cs / G_c(alpha_cs) / m * G_d(
            cell.W_xdu @ inputs[n] + cell.W_vdu @ v + cell.b_du
        )
        worst = max(worst, float(np.abs(after - own.s[n]).max()))
    return within(worst, 1e-13, f" (m = {m})")


def lstm_study(experiment: Experiment, delay: str) -> Convergence:
    """The sampled LSTM against K1, with the delay fixed to a sample, or tied to the step."""
    model = ContinuousLSTM(lstm(), tau=1.0 if delay == "fixed" else 0.0)
    x, rest = _beginning(experiment), np.zeros(model.width)
    return convergence(model, x, t=(0.0, END), history=rest, dts=HALVINGS, delay=delay, rtol=1e-11)


def _fixed(experiment: Experiment) -> Finding:
    return close(lstm_study(experiment, "fixed").order["final"], 1.0, 0.2, " (fitted order)")


def _tied(experiment: Experiment) -> Finding:
    return close(lstm_study(experiment, "tied").order["final"], 1.0, 0.1, " (fitted order)")


@lru_cache(maxsize=8)
def trained(experiment: Experiment, name: str) -> Any:
    """A layer of six units under a linear readout that has learned to forecast the series one sample ahead."""
    import torch

    from ode2rnn import nn
    from ode2rnn.training.networks import Recurrent, seeded

    x = experiment.x[-TRAINED:]
    length = min(WINDOW, len(x) - 3)
    starts = np.arange(len(x) - length)
    data = Sequences(np.stack([x[starts + k] for k in range(length)]), x[starts + length])
    layer = {"VanillaLSTM": nn.VanillaLSTM, "CanonicalRNN": nn.CanonicalRNN}[name]
    model = seeded(lambda: Recurrent(layer(1, UNITS).double(), outputs=1).double(), seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    fit(model, data, 0.2, optimizer=optimizer, epochs=EPOCHS, batch=16, clip=1.0)
    return model


@lru_cache(maxsize=8)
def retimed_study(experiment: Experiment, name: str, drive: str = "series") -> Retiming:
    """A trained network on the last samples of the series, or on a sine, at the steps dT / m."""
    x = experiment.x[-SHOWN:]
    if drive == "sine":
        x = np.sin(2 * np.pi * np.arange(SHOWN) / 11.0)[:, None]
    return retiming(trained(experiment, name).layer, x, FACTORS)


def _retimed(name: str) -> Any:
    def check(experiment: Experiment) -> Finding:
        studies = [retimed_study(experiment, name, drive) for drive in ("series", "sine")]
        orders = [study.order["readout"] for study in studies]
        errors = [study.errors["readout"][[0, -1]] for study in studies]
        told = "; ".join(
            f"{order:.3f}, error {e[0]:.1e} -> {e[1]:.0e}" for order, e in zip(orders, errors, strict=True)
        )
        return Finding(
            "order 1 +- 0.2", f"{told} (readout; series, sine)", bool(np.abs(np.array(orders) - 1).max() <= 0.2)
        )

    return check


CONTINUOUS_LSTM: tuple[Claim, ...] = (
    Claim("K1", "the LSTM's delay equation has one solution: two methods find it", _two_methods),
    Claim("K2", "backward Euler with tau = dT gives the LSTM, and so does the exponential rule", _identity),
    Claim("K2", "the forget gate is backward Euler for the rate e^(-alpha_cs) / dT", _backward_euler),
    Claim("K3", "at another step the forget activation shifts by -ln(dT'/dT)", _shifted),
    Claim("K4", "tau fixed, dT' -> 0: first order, to the delay equation", _fixed),
    Claim("K4", "tau = dT -> 0, rates fixed: first order, to the equation with tau = 0", _tied),
    Claim("K3-K4", "a trained LSTM at dT / m follows its own equation", _retimed("VanillaLSTM")),
    Claim("D11", "so does a trained canonical RNN", _retimed("CanonicalRNN")),
)
