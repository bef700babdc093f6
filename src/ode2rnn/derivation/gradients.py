"""The claims of "RNN Training Difficulties".  Uses: B1 to B6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.analysis.memory.gradient_flow import GradientFlow, gradient_flow
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.run import run
from ode2rnn.core.signals import Sine
from ode2rnn.derivation.claim import Claim, Experiment, Finding, close, within
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.derivation.unrolling import fading
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN
from ode2rnn.discrete.schemes import discretize
from ode2rnn.solvers.integrate import integrate
from ode2rnn.training.adjoint import Adjoint, adjoint, backward_euler_adjoint
from ode2rnn.training.bptt import bptt
from ode2rnn.training.clipping import clip, norm, parameters

NAMES = ("W_s", "W_r", "W_x", "theta_s")
PRINTED = 0.000017  # what the slides give for 0.9^100
ADJOINT_STEPS = tuple(2.0**-k for k in range(1, 8))
ADJOINT_END = 12.0


def rotating(factor: float, activation: str = "tanh") -> CanonicalRNN:
    """Two units whose feedback is a rotation times ``factor``: every singular value of W_r is that factor."""
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    return CanonicalRNN(np.zeros((2, 2)), factor * turn, [[0.5], [0.0]], np.zeros(2), activation=activation)


def chaotic() -> tuple[CanonicalRNN, np.ndarray]:
    """Twenty units with a strong random feedback, and a weak noise as input."""
    rng = np.random.default_rng(1)
    W_r = 3.0 * rng.standard_normal((20, 20)) / np.sqrt(20)
    cell = CanonicalRNN(np.zeros((20, 20)), W_r, rng.standard_normal((20, 1)), np.zeros(20))
    return cell, 0.1 * rng.standard_normal((2000, 1))


def chaotic_flow() -> GradientFlow:
    """Where gradients go in the chaotic cell."""
    cell, x = chaotic()
    return gradient_flow(cell, x, exponents=2)


def _cells(experiment: Experiment) -> dict[str, CanonicalRNN | TappedRNN]:
    model = experiment.model
    whole = canonical(model, DT)
    return {"standard": whole.standard(), "canonical": whole, "tapped": discretize(model, DT / 2, "tustin")}


def _by_autograd(cell: CanonicalRNN | TappedRNN, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gradients of 1/2 sum weights r^2 by torch, in the order of `parameters`."""
    import torch

    leaves: list[Any] = []

    def leaf(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {lag: leaf(W) for lag, W in sorted(value.items())}
        leaves.append(torch.tensor(value, requires_grad=True))
        return leaves[-1]

    own: Any = replace(cell, **{name: leaf(getattr(cell, name)) for name in NAMES})
    (0.5 * torch.tensor(weights) * run(own, torch.tensor(x)).r ** 2).sum().backward()
    return np.concatenate([one.grad.numpy().ravel() for one in leaves])


def _autograd(experiment: Experiment) -> Finding:
    """E = 1/2 sum w r^2 over the series, w random; the largest difference over all parameters of three cells."""
    worst = 0.0
    weights = np.random.default_rng(3).standard_normal((experiment.samples, 3))
    for cell in _cells(experiment).values():
        own = parameters(bptt(cell, experiment.x, lambda r: weights * r).gradients)
        other = _by_autograd(cell, experiment.x, weights)
        worst = max(worst, float(np.abs(own - other).max() / np.abs(other).max()))
    return within(worst, 1e-12, " (standard, canonical, tapped)")


def _differences(experiment: Experiment) -> Finding:
    """The derivative along a random direction of all parameters, by a central difference of fourth order."""
    cell, x = fading(experiment), experiment.x
    rng, h = np.random.default_rng(4), 1e-3
    weights = rng.standard_normal((len(x), 3))
    way = {name: rng.standard_normal(getattr(cell, name).shape) for name in NAMES}

    def E(t: float) -> float:
        moved = replace(cell, **{name: getattr(cell, name) + t * way[name] for name in NAMES})
        return 0.5 * float((weights * run(moved, x).r ** 2).sum())

    record = bptt(cell, x, lambda r: weights * r).gradients
    own = sum(float((getattr(record, name) * way[name]).sum()) for name in NAMES)
    difference = (8 * (E(h) - E(-h)) - (E(2 * h) - E(-2 * h))) / (12 * h)
    return within(abs(own - difference) / norm(record), 1e-7)


def _segments(experiment: Experiment) -> Finding:
    """Truncated BPTT with the state carried, K = N: the whole; K = 1: no error passes between samples."""
    cell, N = canonical(experiment.model, DT), experiment.samples
    r_bar = np.random.default_rng(3).standard_normal((N, 3))
    whole, same = bptt(cell, experiment.x, r_bar), bptt(cell, experiment.x, r_bar, segment=N)
    alone = bptt(cell, experiment.x, r_bar, segment=1)
    gaps = [same.psi - whole.psi, alone.chi - r_bar, alone.trajectory.s - whole.trajectory.s]
    return within(max(float(np.abs(gap).max()) for gap in gaps), 1e-15)


def _transposed(experiment: Experiment) -> Finding:
    """psi[l] from psi[n] by the matrices one after the other, for an error at the last sample alone."""
    cell, N = canonical(experiment.model, DT).standard(), min(experiment.samples, 40)
    r_bar = np.zeros((N, 3))
    r_bar[-1] = 1.0
    back = bptt(cell, experiment.x[:N], r_bar)
    slopes, worst, error = 1 - np.tanh(back.trajectory.s) ** 2, 0.0, back.psi[-1]
    for k in range(N - 2, -1, -1):
        error = np.diag(slopes[k]) @ cell.W_r.T @ error
        worst = max(worst, float(np.abs(error - back.psi[k]).max() / np.abs(error).max()))
    return within(worst, 1e-12)


def _vanishes(experiment: Experiment) -> Finding:
    """||W_r|| = 0.8, driven by the series: every product is below 0.8^k."""
    flow = gradient_flow(rotating(0.8), experiment.x)
    share = float(np.exp(flow.log_singular[:, 0] - flow.singular_lags * np.log(0.8)).max())
    holds = bool(share <= 1 + 1e-12 and flow.bound < 1)
    return Finding("norm / 0.8^k <= 1", f"{share:.3f}, {np.exp(flow.rate):.3f} a sample", holds)


def _explodes(experiment: Experiment) -> Finding:
    """||W_r|| = 1.25 without saturation, driven by the series: every singular value is 1.25^k."""
    flow = gradient_flow(rotating(1.25, "identity"), experiment.x)
    gap = float(np.abs(flow.log_singular - flow.singular_lags[:, None] * np.log(1.25)).max())
    last = flow.log_norms[-1] / np.log(10)
    return Finding("1.25^k", f"10^{last:.1f} at lag {flow.lags[-1]}, logarithms off by {gap:.0e}", bool(gap <= 1e-9))


def _exponent(experiment: Experiment) -> Finding:
    flow = chaotic_flow()
    return close(flow.rate, float(flow.exponents[0]), 2e-3, " (a sample, chaotic cell)")


def _printed(experiment: Experiment) -> Finding:
    """The slides' scalar cell, 100 samples: they print 0.000017."""
    flow = gradient_flow(CanonicalRNN(0.0, 0.9, None, 0.0, activation="identity"), 101)
    value = float(flow.norms[100])
    holds = abs(value - 0.9**100) <= 1e-12 * value and abs(value - PRINTED) > 0.5 * PRINTED
    return Finding(f"0.9^100 = {0.9**100:.3e}", f"{value:.3e}; the slides print {PRINTED:f}", bool(holds))


def _clipped(experiment: Experiment) -> Finding:
    """An exploding gradient gets a bounded length; the share of the first sample in a vanishing one stays nothing."""
    x, r_bar = np.ones((100, 1)), np.zeros((100, 1))
    r_bar[-1] = 1.0
    cells = [CanonicalRNN(0.0, w, 1.0, 0.0, activation="identity") for w in (1.5, 0.5)]
    (shorter, before), (same, small) = (clip(bptt(cell, x, r_bar).gradients, 10.0) for cell in cells)
    psi = np.abs(bptt(cells[1], x, r_bar).psi)
    share = float(psi[0, 0] / psi.sum())
    holds = bool(before > 1e10 and abs(norm(shorter) - 10) < 1e-12 and norm(same) == small < 10 and share < 1e-20)
    measured = f"{before:.0e} -> {norm(shorter):g}; {small:.1f} left alone, first sample's share {share:.0e}"
    return Finding("cures one only", measured, holds)


def _adjoint_form(experiment: Experiment) -> Finding:
    """Backward Euler for B6, from A and B alone, against B1 and B2 with the weights of the canonical RNN."""
    model, cell = experiment.model, canonical(experiment.model, DT)
    weights = np.random.default_rng(5).standard_normal((experiment.samples, 3))
    back = bptt(cell, experiment.x, lambda r: DT * weights * r)
    multiplier = backward_euler_adjoint(model, DT, back.trajectory.s, weights * back.trajectory.r)
    gap = np.abs(multiplier @ (np.eye(3) - DT * model.A) - back.psi).max()
    return within(float(gap / np.abs(back.psi).max()), 1e-13)


def adjoint_problem(experiment: Experiment) -> tuple[ContinuousRNN, Sine, Adjoint]:
    """The network under a sine, and psi(t) of E = 1/2 integral of |r|^2."""
    x = Sine(1.0, 0.9)
    solution = integrate(experiment.model, x, t=(0.0, ADJOINT_END), history=experiment.rest, rtol=1e-11, atol=1e-13)
    return experiment.model, x, adjoint(experiment.model, solution, lambda t: np.tanh(solution(t)))


def sampled_psi(model: ContinuousRNN, x: Sine, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and psi[n] of back-propagation through the recursion that samples the network with step dT."""
    t = dt * np.arange(1, round(ADJOINT_END / dt) + 1)
    return t, bptt(discretize(model, dt), x(t), lambda r: dt * r).psi


def _adjoint_limit(experiment: Experiment) -> Finding:
    model, x, exact = adjoint_problem(experiment)
    errors = []
    for dt in ADJOINT_STEPS:
        t, psi = sampled_psi(model, x, dt)
        errors.append(np.abs(psi - exact(t)).max())
    slope = float(np.polyfit(np.log(ADJOINT_STEPS[2:]), np.log(errors[2:]), 1)[0])
    return close(slope, 1.0, 0.1, " (fitted order)")


def _slopes(experiment: Experiment) -> Finding:
    """Slopes against central differences away from corners, and the bound of every saturating activation."""
    s = np.linspace(-6, 6, 241) + 1e-3
    worst = 0.0
    for one in ACTIVATIONS.values():
        difference = (one.value(s + 1e-5) - one.value(s - 1e-5)) / 2e-5
        worst = max(worst, float(np.abs(difference - one.slope(s)).max()))
        worst = max(worst, float(np.abs(one.value(s)).max() - one.bound))
    return within(worst, 1e-9, f" ({', '.join(ACTIVATIONS)})")


GRADIENTS: tuple[Claim, ...] = (
    Claim("S2", "sigmoid, tanh, ReLU and the others have the slopes that they say", _slopes),
    Claim("B1-B3", "back-propagation through time is automatic differentiation", _autograd),
    Claim("B3", "the gradient is a central difference of the objective", _differences),
    Claim("B1-B2", "truncated over segments: K = N is the whole, K = 1 passes no error on", _segments),
    Claim("B4", "the error flows through a product of Jacobians", _transposed),
    Claim("B5", "||W_r|| max|G'| = 0.8: gradients vanish, whatever the input", _vanishes),
    Claim("B5", "every singular value at 1.25: gradients explode", _explodes),
    Claim("B5", "the rate is the largest Lyapunov exponent of the recursion", _exponent),
    Claim("S5", "the slides' product over 100 samples, which they misprint", _printed),
    Claim("B5", "clipping cures gradients that explode, not those that vanish", _clipped),
    Claim("B6", "backward Euler for the adjoint equation is back-propagation through time", _adjoint_form),
    Claim("B6", "tau_0 fixed, dT -> 0: first order, to the adjoint equation", _adjoint_limit),
)
