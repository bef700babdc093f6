"""Stability: characteristic roots of the delay equation, and their images under sampling.

Home of: C10, D6.  Source: "The Roots of RNN" (stability of the additive model, and of its sampled form).

C10  with A Hurwitz and G saturating, the response to a bounded input is bounded; about an equilibrium s* the
     growth rates lambda solve det(lambda I - sum_k (A_k + B_k diag G'(s*)) e^(-lambda tau_k)) = 0.
D6   backward Euler takes an eigenvalue lambda of A to 1 / (1 - dT lambda): Re lambda < 0 implies modulus < 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.spectra.linear import flow_roots, rest_state, roots_at, whole_state
from ode2rnn.analysis.subject import Subject, as_subject, at_rest
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import brief, check_array, check_count, check_positive, check_shape, to_numpy
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow, as_ticking
from ode2rnn.discrete.canonical import as_tapped
from ode2rnn.discrete.schemes import discretize


def equilibrium(system: object, x: ArrayLike | None = None, guess: ArrayLike | None = None) -> np.ndarray:
    """Return a state at which a flow, or a map, rests under the constant input ``x`` (m,), found from ``guess`` (0).

    Raises:
        ValueError: no system, wrong shapes or NaN.
        SimulationError: no equilibrium was found from this guess.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> equilibrium(ContinuousRNN(A=-2.0, B=0.0, C=1.0, phi=1.0), x=[3.0])
        array([2.])
    """
    subject = as_subject(system, "model")
    if guess is None:
        return rest_state(subject, x)
    return rest_state(subject, x, check_shape("guess", to_numpy(check_array("guess", guess)), (at_rest(subject).size,)))


def characteristic_roots(
    model: Flow, at: ArrayLike | None = None, count: int = 6, nodes: int = 0, *, x: ArrayLike | None = None
) -> np.ndarray:
    """Return the rightmost characteristic roots lambda (C10) of a flow linearized at the state ``at``.

    For one unit with one delay they are the branches of Lambert's function, a + W_k(b tau e^(-a tau)) / tau. Else
    candidates, eigenvalues of the generator of the solution operator collocated at Chebyshev points of [-max tau, 0]
    (Breda, Maset and Vermiglio 2005), are refined by Newton's method on the characteristic matrix itself, so the
    roots hold to rounding; the number of points is raised until the roots found are as many as the argument principle
    counts to the right of a line behind them. So none to the right of the last is missing. A root of multiplicity k
    is listed k times. Without delays the roots are the eigenvalues of the Jacobian.

    Args:
        model: a Flow: an AdditiveModel, one of your own; of a ContinuousLSTM two numbers of points must agree, nothing
            is counted.
        at: an equilibrium (d,); by default the one that Newton's method finds from 0.
        count: how many, the rightmost first.
        nodes: Chebyshev points; with a number given that number is used, and nothing is counted.
        x: the constant input (m,); zero by default.

    Returns:
        Complex roots (<= count,), per unit of time, by falling real part.

    Raises:
        ValueError: no flow, wrong shapes, NaN, count < 1.
        SimulationError: no equilibrium was found from 0, or not all of the roots were found.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> lag = ContinuousRNN(A=0, B=-1, C=None, phi=None, tau=1.0, activation="identity")
        >>> characteristic_roots(lag, count=2).round(6)
        array([-0.318132+1.337236j, -0.318132-1.337236j])
    """
    flow = as_flow("model", as_subject(model, "model"), "the multipliers of a map are its discrete_roots")
    count, nodes = check_count("count", count), check_count("nodes", nodes, 0)
    return flow_roots(flow, resting(flow, at, x), x, count, nodes)


def pole_image(pole: complex | ArrayLike, dt: float, scheme: str = "backward_euler") -> np.ndarray:
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
    system: object, at: ArrayLike | None = None, count: int | None = None, *, x: ArrayLike | None = None
) -> np.ndarray:
    """Return the multipliers z of a map linearized at the fixed point ``at``; stable where all |z| < 1.

    They are the eigenvalues of the derivative of a tick. A cell that reaches back L ticks has d L of them: the roots of
    det(z^L I - sum_k z^(L-k) W_k). A `Sampled` model has those of its method: of backward Euler the cell's, to the
    power of its substeps; of a method with an adaptive step e^(lambda dT), lambda the characteristic roots (C10).

    Args:
        system: a System: a cell, a Sampled model, a SampledLSTM, a Map, or a layer.
        at: a fixed point, (d,) or the whole state; by default the one found from 0.
        count: how many, the largest first; by default all, and of infinitely many so many that the last is stable.
        x: the constant input (m,).

    Returns:
        Complex multipliers by falling modulus.

    Raises:
        ValueError: a flow, wrong shapes, NaN, samples of a delay equation by a method that makes no map of it.
        SimulationError: no fixed point was found from 0.

    Example:
        >>> from ode2rnn import ContinuousRNN, Sampled
        >>> rest = ContinuousRNN(A=-1.0, B=-3.0, C=None, phi=None, tau=1.0)
        >>> discrete_roots(discretize(rest, 1.0)), discrete_roots(Sampled(rest, 1.0, "spectral"), count=1).round(4)
        (array([-1.+0.j]), array([-0.6208+1.0718j]))
    """
    subject = as_ticking("system", as_subject(system), "a flow has characteristic_roots")
    return roots_at(subject, resting(subject, at, x), x, None if count is None else check_count("count", count))


def companion(taps: dict[int, np.ndarray]) -> np.ndarray:
    """The matrix (d L, d L) that takes (s[n-1], .., s[n-L]) to (s[n], .., s[n-L+1])."""
    d, depth = len(taps[1]), max(taps)
    matrix = np.eye(d * depth, k=-d)
    for lag, tap in taps.items():
        matrix[:d, (lag - 1) * d : lag * d] = tap
    return matrix


def resting(subject: Subject, at: ArrayLike | None, x: ArrayLike | None = None) -> np.ndarray:
    """The state ``at``, checked and whole; by default the rest found from 0, which is 0 if the system rests there."""
    if at is None:
        return rest_state(subject, x)
    given = np.atleast_1d(to_numpy(check_array("at", at)))
    return whole_state(subject, given if given.ndim == 1 else check_shape("at", given, (subject.width,)), x)
