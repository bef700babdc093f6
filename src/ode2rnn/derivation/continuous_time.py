"""The claims of "The Roots of RNN" about the differential equation.  Uses: C1 to C10."""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.analysis.spectra.spectrum import characteristic_roots
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.signals import Held
from ode2rnn.derivation.claim import Claim, Experiment, Finding, close, within
from ode2rnn.solvers.integrate import integrate


def _balance(experiment: Experiment) -> Finding:
    """C1-C7 in integral form, by quadrature that no solver shares: s(b) - s(a) = integral of a + b + c + phi."""
    model, solution = experiment.model, experiment.solution
    points, weights = np.polynomial.legendre.leggauss(20)
    last = min(int(experiment.window[1]), experiment.samples - 1)
    worst = 0.0
    for a in range(1, last):  # before t = 1 the readout still comes from the history
        t = a + 0.5 * (1 + points)
        s, delayed = solution(t), solution(t - model.tau)
        rate = s @ model.A.T + np.tanh(delayed) @ model.B.T + experiment.signal(t) @ model.C.T + model.phi
        change = solution(float(a + 1)) - solution(float(a))
        worst = max(worst, float(np.abs(change - 0.5 * weights @ rate).max()))
    return within(worst, 1e-9)


def _closed_form(experiment: Experiment) -> Finding:
    """Two delays, u' = -u(t - 1/3) - u(t - 1/5) from a jump: u(1) = -8407/243000 exactly."""
    model = AdditiveModel(state=[(-1.0, 1 / 3), (-1.0, 1 / 5)])
    solution = integrate(model, t=(0, 1), history=0.0, s0=1.0, rtol=1e-12, atol=1e-14)
    return within(abs(float(solution(1.0)[0]) + 8407 / 243000), 1e-13)


def _convolution(experiment: Experiment) -> Finding:
    """A ring of 16 units with circulant matrices, by Fourier transforms and by the matrices written out."""
    diffusion = Circulant.from_stencil([0.5, -1.5, 0.5], shape=(16,))
    coupling = Circulant.from_stencil([0.4, 0.0, -0.4], shape=(16,))
    history = np.cos(np.arange(16.0))
    ring = ContinuousRNN(diffusion, coupling, None, None, tau=1.0)
    matrices = ContinuousRNN(np.asarray(diffusion), np.asarray(coupling), None, None, tau=1.0)
    one, other = (integrate(m, t=(0, 10), history=history, method="tsit5", rtol=1e-10).s[-1] for m in (ring, matrices))
    return within(float(np.abs(one - other).max()), 1e-11)


def _two_methods(experiment: Experiment) -> Finding:
    """The delay equation on the real series, by collocation and by a Runge-Kutta method."""
    t = np.arange(experiment.samples, dtype=float)
    other = integrate(
        experiment.model,
        experiment.signal,
        t=t,
        history=experiment.rest,
        method="tsit5",
        rtol=1e-9,
        atol=1e-11,
    )
    return within(float(np.abs(other.s - experiment.solution(t)).max()), 1e-7)


def _saturation(experiment: Experiment) -> Finding:
    bound = experiment.model.activation.bound
    largest = float(np.abs(experiment.solution.r).max())
    return Finding(f"< {bound:g}", f"{largest:.4f}", largest < bound)


def _bounded(experiment: Experiment) -> Finding:
    """|s| <= integral of |e^(A t)| (|B| 1 + |C| max|x| + |phi|) dt, and the solution stays below that."""
    from scipy.linalg import expm

    model = experiment.model
    poles = np.linalg.eigvals(model.A)
    drive = np.abs(model.B).sum(axis=1) + np.abs(model.C) @ np.abs(experiment.x).max(axis=0) + np.abs(model.phi)
    step = 0.01
    total, power, factor = np.zeros_like(model.A), np.eye(len(model.A)), expm(step * model.A)
    for _ in range(int(20 / (step * -poles.real.max()))):  # up to e^-20 of the slowest mode
        after = power @ factor
        total, power = total + 0.5 * step * (np.abs(power) + np.abs(after)), after
    bound = total @ drive
    share = float((np.abs(experiment.solution.s).max(axis=0) / bound).max())
    holds = bool(poles.real.max() < 0 and share <= 1)
    return Finding("max Re < 0, |s| / bound <= 1", f"max Re = {poles.real.max():.2f}, |s| / bound = {share:.2f}", holds)


def _roots(experiment: Experiment) -> Finding:
    """s' = -s(t - 1): the rightmost pair is W_0(-1) = -0.318131505204764 +- 1.33723570143069 i."""
    lag = ContinuousRNN(A=0.0, B=-1.0, C=None, phi=None, tau=1.0, activation="identity")
    root = characteristic_roots(lag, count=2)[0]
    return within(abs(root - (-0.318131505204764 + 1.33723570143069j)), 1e-13)


def _hopf(experiment: Experiment) -> Finding:
    """s' = -s - 2 tanh(s(t - tau)) begins to oscillate at tau = arccos(-1/2) / sqrt(3) = 1.2092."""
    from scipy.optimize import brentq

    def growth(tau: float) -> float:
        model = ContinuousRNN(A=-1.0, B=-2.0, C=None, phi=None, tau=tau)
        return float(characteristic_roots(model, count=2)[0].real)

    return close(brentq(growth, 0.9, 1.6, xtol=1e-13), math.acos(-0.5) / math.sqrt(3), 1e-9)


def _pulse(experiment: Experiment) -> Finding:
    """s' = -s + x, x = 1 on (50, 50.5]: every adaptive method must see the pulse, because its knots are declared."""
    model = ContinuousRNN(A=-1.0, B=0.0, C=1.0, phi=None)
    x = Held([0.0, 50.0, 50.5, 52.0], [0.0, 0.0, 1.0, 0.0])
    exact = (math.sqrt(math.e) - 1) * math.exp(-2)
    errors = [
        abs(float(integrate(model, x, t=(0, 52), history=0.0, method=m, rtol=1e-8, atol=1e-10)(52.0)[0]) - exact)
        for m in ("tsit5", "RK45", "DOP853", "Radau", "BDF", "LSODA")
    ]
    return within(max(errors), 1e-6, " (worst of six methods)")


CONTINUOUS: tuple[Claim, ...] = (
    Claim("C1-C4", "the change of the state is the integral of a + b + c + phi, over every sample", _balance),
    Claim("C5", "the readout r = G(s) saturates", _saturation),
    Claim("C6", "no pulse of the input is missed: its knots are breaking points", _pulse),
    Claim("C7", "a delay equation with two delays has its exact solution", _closed_form),
    Claim("C8", "circulant matrices act as convolutions over the unit index", _convolution),
    Claim("C9", "two unrelated methods give one solution of the network", _two_methods),
    Claim("C10", "A Hurwitz and G saturating: the response to a bounded input is bounded", _bounded),
    Claim("C10", "characteristic roots of a delayed loop", _roots),
    Claim("C10", "the delay at which a delayed loop begins to oscillate", _hopf),
)
