"""Stability: characteristic roots of the delay equation, and their images under sampling.

Home of: C10, D6.  Source: "The Roots of RNN" (stability of the additive model, and of its sampled form).

C10  with A Hurwitz and G saturating, the response to a bounded input is bounded; about an equilibrium s* the
     growth rates lambda solve det(lambda I - sum_k (A_k + B_k diag G'(s*)) e^(-lambda tau_k)) = 0.
D6   backward Euler takes an eigenvalue lambda of A to 1 / (1 - dT lambda): Re lambda < 0 implies modulus < 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import brief, check_array, check_count, check_positive, check_shape, to_numpy
from ode2rnn.core.dense import barycentric_weights, interpolation_matrix
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped
from ode2rnn.discrete.schemes import discretize

# two eigenvalues that Newton's method brings closer than this are one root
SAME_ROOT = 1e-7


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

    _check_model(model)
    start = np.zeros(model.width) if guess is None else to_numpy(check_array("guess", guess))
    check_shape("guess", start, (model.width,))
    held = None if x is None else check_shape("x", to_numpy(check_array("x", x)), (model.input_width,))
    with np.errstate(all="ignore"):
        found = root(
            lambda s: to_numpy(model.rate(s, held)),
            start,
            jac=model.jacobian,
            method="hybr",
            options={"xtol": 1e-14},
        )
        residual = np.abs(to_numpy(model.rate(found.x, held))).max()
    if not residual <= 1e-10 * (1.0 + np.abs(found.x).max()):
        raise SimulationError("no equilibrium was found from this guess; try another one")
    return found.x


def characteristic_roots(model: AdditiveModel, s: Any = None, count: int = 6, nodes: int = 0) -> np.ndarray:
    """The rightmost characteristic roots lambda (C10) of the model linearized at the state ``s``.

    Candidates are eigenvalues of the generator of the solution operator, collocated at Chebyshev points of
    [-max tau, 0] (Breda, Maset and Vermiglio 2005); each is then refined by Newton's method on the characteristic
    matrix itself, so the roots hold to rounding. Without delays they are the eigenvalues of the Jacobian.

    Args:
        model: an AdditiveModel.
        s: an equilibrium (d,); 0 by default.
        count: how many, the rightmost first.
        nodes: Chebyshev points; chosen from the delays by default.

    Returns:
        Complex roots (<= count,), per unit of time, by falling real part.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> lag = ContinuousRNN(A=0, B=-1, C=None, phi=None, tau=1.0, activation="identity")
        >>> characteristic_roots(lag, count=2).round(6)
        array([-0.318132+1.337236j, -0.318132-1.337236j])
    """
    _check_model(model)
    d, count = model.width, check_count("count", count)
    at = np.zeros(d) if s is None else check_shape("s", to_numpy(check_array("s", s)), (d,))
    matrices = _linearized(model, at)
    if set(matrices) == {0.0}:
        return _rightmost(np.linalg.eigvals(matrices[0.0]).astype(complex), count)
    longest = max(matrices)
    n = nodes or int(np.clip(20 + 4 * count // d + 2 * longest * _rate(matrices), 24, max(24, 1200 // d)))
    values, vectors = np.linalg.eig(_generator(matrices, longest, n))
    candidates = np.argsort(-values.real)[: 4 * count + 2 * d]
    found: list[complex] = []
    for k in candidates:
        root = _refined(matrices, complex(values[k]), vectors[:d, k])
        if root is not None and all(abs(root - other) > SAME_ROOT * (1 + abs(root)) for other in found):
            found.append(root)
    return _rightmost(np.array(found), count)


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


def multipliers(cell: CanonicalRNN | TappedRNN, s: Any = None) -> np.ndarray:
    """Eigenvalues z of a cell linearized at the fixed point ``s`` (0 by default); stable where all |z| < 1.

    Cells that reach further back than one tick have one set of d eigenvalues a tick of memory.

    Returns:
        Complex multipliers by falling modulus.
    """
    taps = linear_taps(cell, s)
    d, depth = len(taps[1]), max(taps)
    companion = np.eye(d * depth, k=-d)
    for lag, matrix in taps.items():
        companion[:d, (lag - 1) * d : lag * d] = matrix
    values = np.linalg.eigvals(companion)
    return values[np.argsort(-np.abs(values))]


def linear_taps(cell: CanonicalRNN | TappedRNN, s: Any = None) -> dict[int, np.ndarray]:
    """The matrices, by lag from 1 on, of a cell linearized at ``s``: s[n] = sum over lags of W s[n - lag]."""
    tapped = as_tapped(cell)
    d = tapped.width
    at = np.zeros(d) if s is None else check_shape("s", to_numpy(check_array("s", s)), (d,))
    slope = to_numpy(as_activation(tapped.activation).slope(at))
    taps = {1: np.zeros((d, d))}
    for lag, matrix in tapped.W_s.items():
        taps[lag] = taps.get(lag, 0.0) + to_numpy(matrix)
    for lag, matrix in tapped.W_r.items():
        taps[lag] = taps.get(lag, 0.0) + to_numpy(matrix) * slope
    now = np.linalg.inv(np.eye(d) - taps.pop(0, 0.0))  # an undelayed readout is solved for
    return {lag: now @ matrix for lag, matrix in taps.items()}


def _check_model(model: Any) -> None:
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {brief(model)}")


def _linearized(model: AdditiveModel, s: np.ndarray) -> dict[float, np.ndarray]:
    slope = to_numpy(model.activation.slope(s))
    matrices: dict[float, np.ndarray] = {0.0: np.zeros((model.width, model.width))}
    for term in model.state:
        matrices[term.delay] = matrices.get(term.delay, 0.0) + to_numpy(term.dense())
    for term in model.readout:
        matrices[term.delay] = matrices.get(term.delay, 0.0) + to_numpy(term.dense()) * slope
    return matrices


def _rate(matrices: dict[float, np.ndarray]) -> float:
    return float(sum(np.linalg.norm(m, 2) for m in matrices.values()))


def _generator(matrices: dict[float, np.ndarray], longest: float, n: int) -> np.ndarray:
    d = len(matrices[0.0])
    theta = -0.5 * longest * (1 - np.cos(np.pi * np.arange(n + 1) / n))  # 0 down to -longest
    weights = barycentric_weights(theta / longest)
    gaps = theta[:, None] - theta
    np.fill_diagonal(gaps, 1.0)
    derivative = weights / weights[:, None] / gaps
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    generator = np.kron(derivative, np.eye(d))
    generator[:d] = 0.0
    for delay, matrix in matrices.items():
        row = interpolation_matrix(theta / longest, weights, np.array([-delay / longest]))
        generator[:d] += np.kron(row, matrix)
    return generator


def _refined(matrices: dict[float, np.ndarray], root: complex, vector: np.ndarray) -> complex | None:
    """Newton's method on Delta(lambda) v = 0, v_bar' v = 1."""
    d = len(vector)
    start, v = root, vector / np.linalg.norm(vector)
    border = v.conj()
    for _ in range(20):
        with np.errstate(all="ignore"):
            decays = {delay: matrix * np.exp(-root * delay) for delay, matrix in matrices.items()}
            delta = root * np.eye(d) - sum(decays.values())
            slope = np.eye(d) + sum(delay * matrix for delay, matrix in decays.items())
        system = np.block([[delta, (slope @ v)[:, None]], [border[None, :], np.zeros((1, 1))]])
        if not np.isfinite(system).all():
            return None
        try:
            change = np.linalg.solve(system, -np.concatenate([delta @ v, [border @ v - 1.0]]))
        except np.linalg.LinAlgError:
            return None
        v, root = v + change[:d], root + complex(change[d])
        if abs(change[d]) <= 1e-14 * (1 + abs(root)):
            # a candidate that was no approximation wanders off to a root that another one finds
            return root if abs(root - start) <= 0.1 * (1 + abs(root)) else None
    return None


def _rightmost(roots: np.ndarray, count: int) -> np.ndarray:
    return roots[np.lexsort((-roots.imag, -roots.real.round(12)))][:count]
