"""The claims of "RNN Unfolding/Unrolling".  Uses: U1 to U5."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ode2rnn.analysis.memory.truncation import Truncation, squared_error, truncation
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Claim, Experiment, Finding, close, within
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.discrete.unroll import fir, impulse_response, segments, unroll, windows
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import parameters

TOLERANCE = 1e-2
NOISE = (800, 256, 1)  # samples, sequences
LENGTHS = (12, 25, 50, 100, 200)


def fading(experiment: Experiment) -> CanonicalRNN:
    """The canonical RNN of the network with a weaker feedback, 0.3 B: it contracts, whatever the input."""
    m = experiment.model
    return canonical(ContinuousRNN(m.A, 0.3 * m.B, m.C, m.phi, tau=m.tau), DT)


def latch() -> tuple[CanonicalRNN, np.ndarray]:
    """A unit that keeps its sign for ever, and an input that sets it once: a pulse, and noise after it."""
    x = 0.05 * np.random.default_rng(0).standard_normal((200, 1))
    x[0] = 1.0
    return CanonicalRNN(W_s=0.0, W_r=2.0, W_x=1.0, theta_s=0.0), x


def forecast(cell: CanonicalRNN, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step ahead: the inputs, the targets, and the readout matrix W (1, d) that least squares finds for them."""
    W = np.linalg.lstsq(run(cell, x[:-1]).r, x[1:], rcond=None)[0].T
    return x[:-1], x[1:], W


def series_study(experiment: Experiment) -> Truncation:
    """U5 on the series, the objective being its forecast one sample ahead."""
    cell = fading(experiment)
    x, target, W = forecast(cell, experiment.x)
    return truncation(cell, x, squared_error(target, W))


def noise_study(experiment: Experiment) -> Truncation:
    """U5 on many sequences of white noise, which favour no segment; the cell is to give a leaky sum of its input."""
    cell, rng = fading(experiment), np.random.default_rng(0)
    x = rng.standard_normal(NOISE)
    target = 0.3 * rng.standard_normal(NOISE)
    total = np.zeros(NOISE[1:])
    for n in range(NOISE[0]):
        total = 0.8 * total + x[n]
        target[n] += total
    W = np.linalg.lstsq(run(cell, x).r.reshape((-1, cell.width)), target.reshape((-1, 1)), rcond=None)[0].T
    return truncation(cell, x, squared_error(target, W), most=1, segments=LENGTHS)


def latch_study() -> Truncation:
    """U5 on the latch, whose readout should stay at 1."""
    cell, x = latch()
    return truncation(cell, x, squared_error(np.ones_like(x)), most=100)


def _response(experiment: Experiment) -> Finding:
    """Without warping the recursion is a filter: all of its impulse response against the recursion itself."""
    cell = replace(fading(experiment), activation="identity", theta_s=np.zeros(3))
    h = impulse_response(cell, experiment.samples)
    s = run(cell, experiment.x).s
    worst = float(np.abs(fir(h, experiment.x) - s).max() / np.abs(s).max())
    last = float(np.abs(h[-1]).max())
    return Finding("<= 1e-12, h[N-1] > 0", f"{worst:.1e}, h[N-1] = {last:.1e}", bool(worst <= 1e-12 and last > 0))


def _tiles(experiment: Experiment) -> Finding:
    """For every length K up to 40: the windows sum to 1, and each is the first one, shifted."""
    N, worst = min(experiment.samples, 200), 0.0
    for K in range(1, min(N, 40) + 1):
        w = windows(N, K)
        worst = max(worst, float(np.abs(w.sum(axis=0) - 1).max()))
        for m, tile in enumerate(segments(N, K)):
            worst = max(worst, float(np.abs(w[m, tile.start :] - w[0, : N - tile.start]).max()))
    return within(worst, 0.0)


def _finite(experiment: Experiment) -> Finding:
    """Other inputs before a segment change nothing in it."""
    N, worst = experiment.samples, 0.0
    for K in (1, 2, max(1, N // 4), max(1, N // 2)):
        network = unroll(canonical(experiment.model, DT), K)
        whole = run(network, experiment.x).s
        for tile in segments(N, K):
            x = experiment.x.copy()
            x[: tile.start] = 7.0
            if tile.start % (10 * K) == 0:  # ten segments apart are enough
                worst = max(worst, float(np.abs(run(network, x).s[tile] - whole[tile]).max()))
    return within(worst, 1e-14)


def _size(experiment: Experiment) -> Finding:
    """As many numbers to learn for K = 1 as for K = 1000, and one network takes inputs of any length."""
    cell = fading(experiment)
    counts = {len(parameters(unroll(cell, K).cells[-1])) for K in (1, 10, 1000)}
    ran = [len(run(unroll(cell, 10), experiment.x[:n]).s) == n for n in (1, 3, experiment.samples)]
    return Finding("one number", f"{sorted(counts)} parameters for K = 1, 10, 1000", len(counts) == 1 and all(ran))


def _proposition(experiment: Experiment) -> Finding:
    """|sum_m E_m - E| against what the contraction allows: every term of E moves by a known amount at most."""
    cell, study = fading(experiment), series_study(experiment)
    x, target, W = forecast(cell, experiment.x)
    gap = np.abs(run(cell, x).r @ W.T - target)[:, 0]
    E, size = 0.5 * float((gap**2).sum()), float(np.linalg.norm(W))
    shares = []
    for K, wrong in zip(study.segments, study.objective_error, strict=True):
        late = np.arange(len(x)) >= K
        moved = late * size * np.append(study.scale, study.bound)[np.arange(len(x)) % K + 1]
        shares.append((wrong * E if E else 0.0) / max(float((gap * moved + 0.5 * moved**2).sum()), 1e-300))
    worst = max(shares)
    measured = f"{worst:.1e} of that; E off by {study.objective_error[-1]:.1%} at K = {study.segments[-1]}"
    return Finding("within the contraction", measured, bool(study.contracts and worst <= 1))


def _errors(target: np.ndarray, W: np.ndarray, r: np.ndarray) -> np.ndarray:
    """partial E / partial r of the squared error of W r."""
    return (r @ W.T - target) @ W


def _any_order(experiment: Experiment) -> Finding:
    """The gradient of sum_m E_m, from segments visited at random, against the unrolled network as a whole."""
    cell = fading(experiment)
    x, target, W = forecast(cell, experiment.x)
    K = max(1, len(x) // 7)
    whole = bptt(cell, x, partial(_errors, target, W), segment=K, carry=False)
    total = np.zeros_like(parameters(whole.gradients))
    for m in np.random.default_rng(2).permutation(len(segments(len(x), K))):
        tile = segments(len(x), K)[m]
        total += parameters(bptt(cell, x[tile], partial(_errors, target[tile], W)).gradients)
    expected = parameters(whole.gradients)
    return within(float(np.abs(total - expected).max() / np.abs(expected).max()), 1e-11)


def _share(experiment: Experiment) -> Finding:
    return _slope(experiment, "objective")


def _gradient(experiment: Experiment) -> Finding:
    return _slope(experiment, "gradient")


def _slope(experiment: Experiment, of: str) -> Finding:
    study = noise_study(experiment)
    errors = getattr(study, f"{of}_error")
    slope = float(np.polyfit(np.log(study.segments), np.log(errors), 1)[0])
    return close(slope, -1.0, 0.35, f" (slope), {errors[0]:.0%} at K = {LENGTHS[0]}, {errors[-1]:.1%} at {LENGTHS[-1]}")


def _bound(experiment: Experiment) -> Finding:
    study = series_study(experiment)
    share = float((study.error / study.bound).max())
    K = study.smallest(TOLERANCE)
    found = f"K = {K} for {TOLERANCE:.0%}" if K else f"no K up to {study.lengths[-1]} for {TOLERANCE:.0%}"
    measured = f"error / bound <= {share:.2f}, rate {study.rate:.3f}, {found}"
    return Finding("error / bound <= 1, rate < 1", measured, bool(share <= 1 and study.contracts))


def _fails(experiment: Experiment) -> Finding:
    study = latch_study()
    left = float(study.error[-1] / study.scale)
    none = study.smallest(0.5) is None and "the proposition fails" in study.summary()
    measured = f"{left:.2f} of the state is lost at K = {study.lengths[-1]}, rate {study.rate:.2f}; " + (
        "refused" if none else "passed"
    )
    return Finding("rate >= 1, no K is enough", measured, bool(none and not study.contracts))


UNROLLING: tuple[Claim, ...] = (
    Claim("U1", "without warping, the recursion is the filter of its infinite impulse response", _response),
    Claim("U2", "the windows tile the sequence, shifted copies of one", _tiles),
    Claim("U3", "the unrolled network forgets all inputs before the segment", _finite),
    Claim("S7", "the size of the unrolled network does not depend on K, nor on the length of the input", _size),
    Claim("U4", "a cell that contracts: the segments' objectives add up to that of the sequence", _proposition),
    Claim("U4", "segments visited in any order give one gradient", _any_order),
    Claim("U5", "the truncation error is within the bound of the contraction, for every K", _bound),
    Claim("U5", "noise: the error of the objective falls like 1 / K, the share of the early samples", _share),
    Claim("U5", "noise: the error of its gradient falls like 1 / K too", _gradient),
    Claim("U5", "a latch, which never forgets: the proposition fails, and the study says so", _fails),
)
