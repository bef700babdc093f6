"""The claims of "The Roots of RNN" about sampling: from the equation to the canonical RNN.  Uses: D1 to D11."""

from __future__ import annotations

import numpy as np

from ode2rnn.analysis.spectra.spectrum import equilibrium, pole_image
from ode2rnn.analysis.step_size.convergence import Convergence, convergence
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.run import run
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.derivation.claim import Claim, Experiment, Finding, close, within
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.discrete.limits import quasi_static
from ode2rnn.discrete.sampled import Sampled
from ode2rnn.discrete.schemes import discretize, retime, undiscretize

DT = 1.0  # the network's delay, one sample of the series
HALVINGS = tuple(2.0**-k for k in range(2, 9))


def canonical(model: ContinuousRNN, dt: float) -> CanonicalRNN:
    """The canonical RNN that samples ``model`` (D4)."""
    cell = discretize(model, dt)
    assert isinstance(cell, CanonicalRNN)
    return cell


def canonical_run(experiment: Experiment) -> Trajectory:
    """The canonical RNN on the whole series, tau_0 = dT = one sample."""
    return run(canonical(experiment.model, DT), experiment.x)


def _defining_equation(experiment: Experiment) -> Finding:
    """(s[n] - s[n-1]) / dT = A s[n] + B r[n-1] + C x[n] + phi, the right side evaluated on the run itself."""
    model, traj = experiment.model, canonical_run(experiment)
    s = np.concatenate([np.zeros((1, model.width)), traj.s])
    rate = traj.s @ model.A.T + np.tanh(s[:-1]) @ model.B.T + experiment.x @ model.C.T + model.phi
    return within(float(np.abs((s[1:] - s[:-1]) / DT - rate).max()), 1e-13)


def _identity(experiment: Experiment) -> Finding:
    """The delay equation itself, one backward-Euler step a sample, against the recursion."""
    one = run(Sampled(experiment.model, DT), experiment.x)
    return within(float(np.abs(one.s - canonical_run(experiment).s).max()), 1e-14)


def _weights(experiment: Experiment) -> Finding:
    """(I - dT A) times W_s, W_r, W_x, theta_s gives I, dT B, dT C, dT phi."""
    model = experiment.model
    cell = canonical(model, DT)
    M = np.eye(model.width) - DT * model.A
    pairs = [(cell.W_s, np.eye(model.width)), (cell.W_r, DT * model.B), (cell.W_x, DT * model.C)]
    residuals = [np.abs(M @ W - right).max() for W, right in [*pairs, (cell.theta_s, DT * model.phi)]]
    return within(float(max(residuals)), 1e-14)


def _images(experiment: Experiment) -> Finding:
    """Eigenvalues of W_s for dT from 0.001 to 1000: 1 / (1 - dT lambda), all inside the unit circle."""
    poles = np.sort_complex(np.linalg.eigvals(experiment.model.A))
    worst, largest = 0.0, 0.0
    for dt in np.geomspace(1e-3, 1e3, 25):
        tied = ContinuousRNN(experiment.model.A, experiment.model.B, None, None, tau=float(dt))
        images = np.linalg.eigvals(canonical(tied, float(dt)).W_s)
        expected = pole_image(poles, float(dt))
        worst = max(worst, max(np.abs(images - e).min() for e in expected))
        worst = max(worst, float(np.abs(expected - 1 / (1 - dt * poles)).max()))
        largest = max(largest, float(np.abs(images).max()))
    return Finding(
        "<= 1e-13, all |z| < 1", f"{worst:.1e}, max |z| = {largest:.4f}", bool(worst <= 1e-13 and largest < 1)
    )


def limit_distances(experiment: Experiment, dts: np.ndarray) -> np.ndarray:
    """Largest difference of W_s, W_r, W_x, theta_s from their limits (D7), for each dT; (n, 4)."""
    m, limit = experiment.model, quasi_static(experiment.model)
    rows = []
    for dt in dts:
        cell = canonical(ContinuousRNN(m.A, m.B, m.C, m.phi, tau=float(dt)), float(dt))
        rows.append([np.abs(getattr(cell, n) - getattr(limit, n)).max() for n in ("W_s", "W_r", "W_x", "theta_s")])
    return np.array(rows)


def _long_step(experiment: Experiment) -> Finding:
    dts = np.geomspace(1e3, 1e6, 7)
    slopes = np.polyfit(np.log(dts), np.log(limit_distances(experiment, dts)), 1)[0]
    worst = slopes[np.abs(slopes + 1).argmax()]
    return close(float(worst), -1.0, 0.01, " (slope against dT)")


def standard_distances(experiment: Experiment, dts: np.ndarray) -> np.ndarray:
    """Largest difference over the series between the canonical RNN with and without W_s s[n-1] (D8), for each dT."""
    m = experiment.model
    cells = [canonical(ContinuousRNN(m.A, m.B, m.C, m.phi, tau=float(dt)), float(dt)) for dt in dts]
    x = experiment.x[: int(experiment.window[1]) + 1]
    return np.array([np.abs(run(cell, x).s - run(cell.standard(), x).s).max() for cell in cells])


def _standard(experiment: Experiment) -> Finding:
    dts = np.geomspace(1e3, 1e6, 7)
    slope = np.polyfit(np.log(dts), np.log(standard_distances(experiment, dts)), 1)[0]
    return close(float(slope), -1.0, 0.01, " (slope against dT)")


def _fixed_point(experiment: Experiment) -> Finding:
    """The standard RNN with the input held, run until it rests, against the equilibrium of C9."""
    m = experiment.model
    # a weaker feedback: the fixed-point iteration contracts, whatever the input
    calm = ContinuousRNN(m.A, 0.3 * m.B, m.C, m.phi, tau=m.tau)
    held = experiment.x[len(experiment.x) // 2]
    end = run(quasi_static(calm), np.tile(held, (200, 1))).s[-1]
    return within(float(np.abs(end - equilibrium(calm, held)).max()), 1e-12)


def tied_study(experiment: Experiment) -> Convergence:
    """D9, first limit: tau_0 = dT -> 0, against the ordinary equation."""
    return convergence(
        experiment.ordinary,
        experiment.signal,
        t=experiment.window,
        history=experiment.rest,
        dts=HALVINGS,
        delay="tied",
    )


def fixed_study(experiment: Experiment, scheme: str = "backward_euler") -> Convergence:
    """D9, second limit: tau_0 = m dT held fixed, m -> infinity, against the delay equation."""
    return convergence(
        experiment.model,
        experiment.signal,
        t=experiment.window,
        history=experiment.rest,
        dts=HALVINGS,
        scheme=scheme,
    )


def _tied(experiment: Experiment) -> Finding:
    return close(tied_study(experiment).order["maximum"], 1.0, 0.1, " (fitted order)")


def _fixed(experiment: Experiment) -> Finding:
    return close(fixed_study(experiment).order["maximum"], 1.0, 0.2, " (fitted order)")


def _tustin(experiment: Experiment) -> Finding:
    return close(fixed_study(experiment, "tustin").order["maximum"], 2.0, 0.2, " (fitted order)")


def _late_readout(experiment: Experiment) -> Finding:
    """implicit_linear on the ordinary equation is backward Euler on the equation with tau_0 = dT."""
    late = run(discretize(experiment.ordinary, DT, "implicit_linear"), experiment.x)
    return within(float(np.abs(late.s - canonical_run(experiment).s).max()), 0.0)


def _inverse(experiment: Experiment) -> Finding:
    """Discretize and invert: A, B, C, phi and tau come back."""
    model, back = experiment.model, undiscretize(discretize(experiment.model, DT))
    gaps = [np.abs(getattr(back, n) - getattr(model, n)).max() for n in ("A", "B", "C", "phi")]
    return within(float(max([*gaps, abs(back.tau - model.tau)])), 1e-14)


def _retimed(experiment: Experiment) -> Finding:
    """A cell for one sample a tick, retimed to a hundredth: as close to the equation as one made for it."""
    m, fine = experiment.model, DT / 100
    retimed, made = retime(discretize(m, DT), fine), discretize(m, fine)
    end = experiment.window[1]
    t = fine * np.arange(1, round(end / fine) + 1)
    x = experiment.signal(t)
    difference = np.abs(run(retimed, x).s - run(made, x).s).max()
    coarse, refined = (
        np.abs(run(cell, experiment.signal(at)).s - experiment.solution(at)).max()
        for cell, at in ((discretize(m, DT), np.arange(1, end + 1)), (retimed, t))
    )
    holds = bool(difference <= 1e-11 and refined < coarse / 20)
    measured = f"{difference:.1e}, error {coarse:.2f} -> {refined:.4f}"
    return Finding("<= 1e-11, error / 20 or better", measured, holds)


DISCRETIZATION: tuple[Claim, ...] = (
    Claim("D1", "the canonical RNN satisfies the backward-Euler equation at every sample", _defining_equation),
    Claim("D2", "with tau_0 = dT the sampled delay equation is the canonical RNN", _identity),
    Claim("D3-D5", "W_s, W_r, W_x, theta_s solve (I - dT A) W = ...", _weights),
    Claim("D6", "poles go to 1 / (1 - dT lambda), inside the unit circle for every dT", _images),
    Claim("D7", "the weights tend to 0, -A^-1 B, -A^-1 C, -A^-1 phi like 1 / dT", _long_step),
    Claim("D8", "dropping W_s s[n-1] changes the run by O(1 / dT): the standard RNN", _standard),
    Claim(
        "D8",
        "input held, B reduced to 0.3 B so that it contracts: the standard RNN finds the equilibrium",
        _fixed_point,
    ),
    Claim("D9", "tau_0 = dT -> 0: first order, to the ordinary equation", _tied),
    Claim("D9", "tau_0 fixed, dT -> 0: first order, to the delay equation", _fixed),
    Claim("D10", "the trapezoidal rule samples the same equation to second order", _tustin),
    Claim("D10", "a readout taken one sample late is a delay of one sample", _late_readout),
    Claim("D11", "every canonical RNN is a sampled delay equation: the inverse of D4", _inverse),
    Claim("D11", "a cell made for one sampling rate runs at another", _retimed),
)
