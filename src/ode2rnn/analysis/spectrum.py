"""Stability: characteristic roots of the delay equation, and their images under sampling.

Home of: C10, D6.  Source: "The Roots of RNN" (stability of the additive model, and of its sampled form).

C10  with A Hurwitz and G saturating, the response to a bounded input is bounded; about an equilibrium s* the
     growth rates lambda solve det(lambda I - sum_k (A_k + B_k diag G'(s*)) e^(-lambda tau_k)) = 0.
D6   backward Euler takes an eigenvalue lambda of A to 1 / (1 - dT lambda): Re lambda < 0 implies modulus < 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.analysis.delay_roots import rightmost_roots
from ode2rnn.analysis.lstm_flow import LSTMTicks
from ode2rnn.analysis.lstm_roots import lstm_equilibrium, lstm_roots
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import as_like, brief, check_array, check_count, check_positive, check_shape, to_numpy
from ode2rnn.core.flat import Flat
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped
from ode2rnn.discrete.sampled import Sampled
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.sampled import SampledLSTM
from ode2rnn.solvers.methods import METHODS


def equilibrium(model: AdditiveModel, x: Any = None, guess: Any = None) -> np.ndarray:
    """A state (d,) at which the model rests under the constant input ``x`` (m,), found from ``guess`` (0).

    Raises:
        ValueError: wrong shapes or NaN.
        SimulationError: no equilibrium was found from this guess.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> equilibrium(ContinuousRNN(A=-2.0, B=0.0, C=1.0, phi=1.0), x=[3.0])
        array([2.])
    """
    from scipy.optimize import root

    check_model(model)
    rest = Flat(model.settled())
    start = np.zeros(model.width) if guess is None else to_numpy(check_array("guess", guess))
    check_shape("guess", start, (model.width,))
    held = rest.constant(x)
    with np.errstate(all="ignore"):
        found = root(
            lambda s: rest.advance(s, held),
            start,
            jac=lambda s: rest.jacobian(s, held),
            method="hybr",
            options={"xtol": 1e-14},
        )
        residual = np.abs(rest.advance(found.x, held)).max()
    if not residual <= 1e-10 * (1.0 + np.abs(found.x).max()):
        raise SimulationError("no equilibrium was found from this guess; try another one")
    return found.x


def characteristic_roots(
    model: AdditiveModel | ContinuousLSTM, at: Any = None, count: int = 6, nodes: int = 0, *, x: Any = None
) -> np.ndarray:
    """The rightmost characteristic roots lambda (C10) of the model linearized at the state ``at``.

    For one unit with one delay they are the branches of Lambert's function, a + W_k(b tau e^(-a tau)) / tau. Else
    candidates, eigenvalues of the generator of the solution operator collocated at Chebyshev points of [-max tau, 0]
    (Breda, Maset and Vermiglio 2005), are refined by Newton's method on the characteristic matrix itself, so the
    roots hold to rounding; the number of points is raised until the roots found are as many as the argument principle
    counts to the right of a line behind them. So none to the right of the last is missing. A root of multiplicity k
    is listed k times. Without delays the roots are the eigenvalues of the Jacobian.

    Args:
        model: an AdditiveModel, or a ContinuousLSTM: there two numbers of points must agree, nothing is counted.
        at: an equilibrium (d,); by default the one that Newton's method finds from 0.
        count: how many, the rightmost first.
        nodes: Chebyshev points; with a number given that number is used, and nothing is counted.
        x: the constant input (m,) under which the equilibrium is looked for; zero by default.

    Returns:
        Complex roots (<= count,), per unit of time, by falling real part.

    Raises:
        ValueError: wrong shapes, NaN, count < 1.
        SimulationError: no equilibrium was found from 0, or not all of the roots were found.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> lag = ContinuousRNN(A=0, B=-1, C=None, phi=None, tau=1.0, activation="identity")
        >>> characteristic_roots(lag, count=2).round(6)
        array([-0.318132+1.337236j, -0.318132-1.337236j])
    """
    if isinstance(model, ContinuousLSTM):
        return lstm_roots(model, at, check_count("count", count), x)
    check_model(model)
    count, nodes = check_count("count", count), check_count("nodes", nodes, 0)
    return rightmost_roots(linearized(model, resting(model, at, x)), count, nodes)[:count]


def pole_image(pole: Any, dt: float, scheme: str = "backward_euler") -> np.ndarray:
    """Where sampling with step dt takes an eigenvalue of A (s-plane), in the z-plane; backward Euler is D6.

    Example:
        >>> float(pole_image(-2.0, 0.5).real)
        0.5
    """
    dt, poles = check_positive("dt", dt), np.asarray(pole)
    if poles.dtype.kind not in "iufc" or not np.isfinite(poles).all():
        raise ValueError(f"pole: expected finite complex numbers, got {brief(pole)}")
    images = []
    for value in poles.astype(complex).ravel():
        # a real 2 x 2 block with this eigenvalue and its conjugate goes through the scheme itself
        A = np.array([[value.real, -value.imag], [value.imag, value.real]])
        W = as_tapped(discretize(ContinuousRNN(A, np.zeros((2, 2)), None, None, tau=dt), dt, scheme)).W_s[1]
        images.append(complex(W[0, 0], W[1, 0]))
    return np.array(images).reshape(poles.shape)


def discrete_roots(
    system: CanonicalRNN | TappedRNN | Sampled | SampledLSTM, at: Any = None, count: int | None = None, *, x: Any = None
) -> np.ndarray:
    """The multipliers z of a sampled network linearized at the fixed point ``at``; stable where all |z| < 1.

    A cell that reaches back L ticks has d L of them, the eigenvalues of its companion matrix: the roots of
    det(z^L I - sum_k z^(L-k) W_k). A `Sampled` model has those of its method: of backward Euler the cell's, to the
    power of its substeps; of a method with an adaptive step e^(lambda dT), lambda the characteristic roots (C10); of
    another method with a fixed step, without delays, the eigenvalues of one tick.

    Args:
        system: a CanonicalRNN, a TappedRNN, a Sampled model, or a SampledLSTM, whose vector is (s, v) of every lag.
        at: a fixed point (d,); by default 0 for a cell, and the equilibrium found from 0 for a Sampled model.
        count: how many, the largest first; by default all, and 6 where there are infinitely many.
        x: the constant input (m,) under which that equilibrium is looked for.

    Returns:
        Complex multipliers by falling modulus.

    Raises:
        ValueError: another system, wrong shapes, NaN, a method that the multipliers are not known of.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> rest = ContinuousRNN(A=-1.0, B=-3.0, C=None, phi=None, tau=1.0)
        >>> discrete_roots(discretize(rest, 1.0)), discrete_roots(Sampled(rest, 1.0, "spectral"), count=1).round(4)
        (array([-1.]), array([-0.6208+1.0718j]))
    """
    count = None if count is None else check_count("count", count)
    if isinstance(system, SampledLSTM):
        values = _lstm_multipliers(system, at, x)
    elif isinstance(system, Sampled):
        values = _tick_roots(system, resting(system.model, at, x), count)
    else:
        values = np.linalg.eigvals(companion(linear_taps(system, at)))
    return values[np.argsort(-np.abs(values), kind="stable")][:count]


multipliers = discrete_roots  # the same function by the name of what it returns


def companion(taps: dict[int, np.ndarray]) -> np.ndarray:
    """The matrix (d L, d L) that takes (s[n-1], .., s[n-L]) to (s[n], .., s[n-L+1])."""
    d, depth = len(taps[1]), max(taps)
    matrix = np.eye(d * depth, k=-d)
    for lag, tap in taps.items():
        matrix[:d, (lag - 1) * d : lag * d] = tap
    return matrix


def linear_taps(cell: CanonicalRNN | TappedRNN, at: Any = None) -> dict[int, np.ndarray]:
    """The matrices, by lag from 1 on, of a cell linearized at ``at`` (0): s[n] = sum over lags of W s[n - lag]."""
    tapped = as_tapped(cell)
    d = tapped.width
    state = np.zeros(d) if at is None else check_shape("at", to_numpy(check_array("at", at)), (d,))
    slope = to_numpy(as_activation(tapped.activation).slope(as_like(state, tapped.theta_s)))
    taps = {1: np.zeros((d, d))}
    for lag, matrix in tapped.W_s.items():
        taps[lag] = taps.get(lag, 0.0) + to_numpy(matrix)
    for lag, matrix in tapped.W_r.items():
        taps[lag] = taps.get(lag, 0.0) + to_numpy(matrix) * slope
    now = np.linalg.inv(np.eye(d) - taps.pop(0, 0.0))  # an undelayed readout is solved for
    return {lag: now @ matrix for lag, matrix in taps.items()}


def _tick_roots(system: Sampled, at: np.ndarray, count: int | None) -> np.ndarray:
    """The multipliers of a tick of the model's solver."""
    model, name = system.model, system.method
    if METHODS.get(name, METHODS["spectral"]).adaptive:  # "auto" is
        matrices = linearized(model, at)
        most = model.width if len(matrices) == 1 else 6
        return np.exp(system.dt * rightmost_roots(matrices, count or most)[: count or most])
    if name == "backward_euler":
        step = discretize(model, system.dt / system.substeps)
        return np.linalg.eigvals(companion(linear_taps(step, at))) ** system.substeps
    if model.delays:
        raise ValueError(f"system: expected a method that is adaptive, or backward_euler, for a delay, got {name!r}")
    # the linearized model goes through the method itself, from every unit vector
    linear = AdditiveModel(state=[(linearized(model, at)[0.0], 0.0)], activation="identity")
    tick = Sampled(linear, system.dt, name, system.substeps)
    return np.linalg.eigvals(tick.step(tick.init(np.eye(model.width)), None).state)


def _lstm_multipliers(system: SampledLSTM, at: Any, x: Any) -> np.ndarray:
    d, rule = system.width, LSTMTicks(system)
    u = rule.constant(x)
    s = lstm_equilibrium(system.model, x) if at is None else check_shape("at", to_numpy(check_array("at", at)), (d,))
    both = np.concatenate([s, rule.gates.present(rule.gates.known(u), s)])
    return np.linalg.eigvals(rule.jacobian(np.tile(both, rule.depth)[None], u)[0]).astype(complex)


def resting(model: AdditiveModel, at: Any, x: Any = None) -> np.ndarray:
    """The state ``at`` (d,), checked; by default the equilibrium found from 0, which is 0 if the model rests there."""
    if at is not None:
        return check_shape("at", to_numpy(check_array("at", at)), (model.width,))
    zero = np.zeros(model.width)
    if x is None and not Flat(model.settled()).advance(zero, np.zeros(model.input_width)).any():
        return zero
    return equilibrium(model, x)


def check_model(model: Any) -> None:
    """Refuse what is no AdditiveModel."""
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {brief(model)}")


def linearized(model: AdditiveModel, s: np.ndarray) -> dict[float, np.ndarray]:
    """{delay: matrix} of the model linearized at ``s``; the delay 0 is always there."""
    slope = to_numpy(model.activation.slope(as_like(s, model.phi)))
    matrices: dict[float, np.ndarray] = {0.0: np.zeros((model.width, model.width))}
    for term in model.state:
        matrices[term.delay] = matrices.get(term.delay, 0.0) + to_numpy(term.dense())
    for term in model.readout:
        matrices[term.delay] = matrices.get(term.delay, 0.0) + to_numpy(term.dense()) * slope
    return matrices
