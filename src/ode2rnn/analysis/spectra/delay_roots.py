"""The characteristic roots of a linear delay equation: candidates, refinement, and the proof that none is missing.

Uses: C10.  The equation is s'(t) = sum_k M_k s(t - tau_k), given as {tau_k: M_k} with an entry for the delay 0; its
roots are the zeros of det Delta, Delta(lambda) = lambda I - sum_k M_k e^(-lambda tau_k).

Candidates are the eigenvalues of the generator of the solution operator, collocated at Chebyshev points of
[-max tau, 0] (Breda, Maset and Vermiglio 2005); Newton's method refines each on Delta itself. To the right of the line
Re lambda = sigma there are as many roots as det Delta winds around 0 along it (the argument principle, which for
delay equations is Mikhailov's criterion); the candidates are enough when they are that many.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.core.dense import interpolation_matrix
from ode2rnn.core.trajectory import SimulationError

Matrices = dict[float, np.ndarray]

# two eigenvalues that Newton's method brings closer than this are one root
SAME_ROOT = 1e-7
DOUBLE = 4e-8
# a candidate that Newton's method does not refine is a root if Delta is this near to singular
SINGULAR = 1e-9
# the line is drawn where two real parts differ by as much, relatively
GAP = 1e-9
FEWEST_NODES, MOST_UNKNOWNS = 16, 1600
# the largest turn of det Delta between two points of the line, and how many points there may be
TURN, MOST_POINTS = 0.8, 400_000


def rightmost_roots(matrices: Matrices, count: int, nodes: int = 0) -> np.ndarray:
    """The ``count`` rightmost roots, or more where some have equal real parts, by falling real part.

    Raises:
        SimulationError: the roots found are not all there are that far to the right, with as many nodes as fit.
    """
    matrices = {delay: m for delay, m in matrices.items() if delay == 0 or m.any()}
    d = len(matrices[0.0])
    if len(matrices) == 1:
        return ordered(np.linalg.eigvals(matrices[0.0]).astype(complex))
    if d == 1 and len(matrices) == 2:
        found = scalar_roots(matrices, count)
        if found is not None:
            return found
    longest, before = max(matrices), 0
    fed_back = size({delay: m for delay, m in matrices.items() if delay > 0})
    most = max(FEWEST_NODES, MOST_UNKNOWNS // d)
    n = nodes or FEWEST_NODES + int(min(longest * fed_back + 2 * count / d, 200))
    while True:
        n = min(n, most)
        found = _refined_candidates(matrices, longest, n, 2 * count + 2 * d + 4)
        # fewer than were asked for may be all that there are: then more points find no more
        few = len(found) < count and len(found) != before
        if nodes or (not few and _complete(matrices, found, count)):
            return found
        if n == most:
            raise SimulationError(
                f"of the {count} rightmost characteristic roots some were not found with {n} Chebyshev points; the"
                f" delay {longest:g} is long for the rates {size(matrices):.3g}: ask for fewer roots"
            )
        n, before = int(1.6 * n), len(found)


def ordered(roots: np.ndarray) -> np.ndarray:
    """By falling real part, of a pair the upper one first."""
    # a double real root comes out as a pair, as far apart as rounding can be told from
    roots = np.where(np.abs(roots.imag) <= DOUBLE * (1 + np.abs(roots)), roots.real + 0j, roots)
    return roots[np.lexsort((-roots.imag, -roots.real.round(12)))]


def size(matrices: Matrices) -> float:
    """The largest modulus that a root in the right half plane can have."""
    return float(sum(np.linalg.norm(m, 2) for m in matrices.values()))


def scalar_roots(matrices: Matrices, count: int) -> np.ndarray | None:
    """lambda = a + W_k(b tau e^(-a tau)) / tau of s' = a s + b s(t - tau), W_k the branches of Lambert's function.

    None where the argument leaves the range of numbers.
    """
    from scipy.special import lambertw

    tau = max(matrices)
    a, b = float(matrices[0.0][0, 0]), float(matrices[tau][0, 0])
    with np.errstate(all="ignore"):
        argument = b * tau * np.exp(-a * tau)
        if not 1e-250 < abs(argument) < 1e250:
            return None
        branches = np.arange(-(count // 2) - 2, count // 2 + 3)
        roots = a + lambertw(argument, branches) / tau
        for _ in range(2):  # one step of Newton's method takes off what a large a tau cancels
            decay = b * np.exp(-roots * tau)
            change = (roots - a - decay) / (1 + tau * decay)
            roots = np.where(np.abs(change) < 1e-6 * (1 + np.abs(roots)), roots - change, roots)
    return ordered(roots) if np.isfinite(roots).all() else None


def generator(matrices: Matrices, longest: float, n: int) -> np.ndarray:
    """The generator at n + 1 Chebyshev points of [-longest, 0], ((n + 1) d, (n + 1) d)."""
    d = len(matrices[0.0])
    points, weights, derivative = chebyshev(n)
    result = np.kron(derivative / longest, np.eye(d))
    result[:d] = 0.0
    for delay, matrix in matrices.items():
        row = interpolation_matrix(points, weights, np.array([-delay / longest]))
        result[:d] += np.kron(row, matrix)
    return result


def chebyshev(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n + 1 Chebyshev points from 0 down to -1, their barycentric weights and the matrix of the derivative."""
    points = -0.5 * (1 - np.cos(np.pi * np.arange(n + 1) / n))
    weights = (-1.0) ** np.arange(n + 1)
    weights[[0, n]] /= 2
    gaps = points[:, None] - points
    np.fill_diagonal(gaps, 1.0)
    derivative = weights / weights[:, None] / gaps
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    return points, weights, derivative


def count_right_of(matrices: Matrices, sigma: float) -> int:
    """How many roots, with their multiplicities, have a real part above ``sigma``.

    det Delta / (lambda - c)^d, with c left of the line, tends to 1 far away and has no pole on the right: its argument
    falls by pi for every root between the real axis and infinity.

    Raises:
        SimulationError: a root on the line, or so many turns that they cannot be followed.
    """
    d, tau = len(matrices[0.0]), max(matrices)
    bound = float(sum(np.linalg.norm(m, 2) * np.exp(-sigma * delay) for delay, m in matrices.items()))
    if not np.isfinite(bound):
        raise SimulationError(f"the roots right of {sigma:.3g} are too many to count")
    # the argument principle on the line Re = sigma: det Delta, divided by (lambda - pole)^d so that it tends to 1,
    # turns by pi for each root to the right; all that turns lies within |omega| of the size of the matrices
    width = bound + abs(sigma) + 1e-300
    inner = np.linspace(0, 2 * width, int(np.clip(8 * width * (tau * d + d / width), 64, MOST_POINTS / 8)))
    omega = np.concatenate([inner, np.geomspace(2 * width, 200 * d * width, 64)[1:]])
    pole = sigma - width

    def phase(at: np.ndarray) -> np.ndarray:
        line = sigma + 1j * at
        sign = np.linalg.slogdet(delta(matrices, line))[0]
        return sign * np.exp(-1j * d * np.angle(line - pole))

    values = phase(omega)
    for _ in range(40):
        turns = np.angle(values[1:] / values[:-1])
        wide = np.flatnonzero(np.abs(turns) > TURN)
        if not len(wide):
            total = -(turns.sum() - np.angle(values[-1])) / np.pi
            return round(float(total))
        if len(omega) > MOST_POINTS or not np.isfinite(values).all():
            break
        # where the phase moves too far between two points to be followed, halve the interval
        middle = 0.5 * (omega[wide] + omega[wide + 1])
        omega, values = np.insert(omega, wide + 1, middle), np.insert(values, wide + 1, phase(middle))
    raise SimulationError(f"a characteristic root lies on the line Re = {sigma:.6g}, or too near to it to be counted")


def delta(matrices: Matrices, at: np.ndarray) -> np.ndarray:
    """Delta at the complex numbers ``at`` (...,), as (..., d, d)."""
    at = np.asarray(at)[..., None, None]
    return at * np.eye(len(matrices[0.0])) - sum(m * np.exp(-at * delay) for delay, m in matrices.items())


def _complete(matrices: Matrices, found: np.ndarray, count: int) -> bool:
    """Whether ``found`` holds every root to the right of a line that has at least ``count`` of them on its right."""
    real = found.real
    gaps = np.flatnonzero(real[:-1] - real[1:] > GAP * (1 + np.abs(real[:-1])))
    gaps = gaps[gaps >= count - 1]
    if len(gaps):
        k = int(gaps[0])
        sigma = 0.5 * float(real[k] + real[k + 1])
    elif len(found):
        k = len(found) - 1
        sigma = float(real[-1]) - 1e-3 * (1 + abs(float(real[-1])))
    else:
        return False
    try:
        return count_right_of(matrices, sigma) == k + 1
    except SimulationError:  # a root on the line is one that was not found
        return False


def _refined_candidates(matrices: Matrices, longest: float, n: int, most: int) -> np.ndarray:
    """The roots that the rightmost eigenvalues of the generator lead to, with their multiplicities."""
    d = len(matrices[0.0])
    values, vectors = np.linalg.eig(generator(matrices, longest, n))
    found: list[complex] = []
    twice: set[int] = set()
    for k in np.argsort(-values.real)[:most]:
        root = _newton(matrices, complex(values[k]), vectors[:d, k])
        if root is None:
            continue
        near = [i for i, other in enumerate(found) if abs(root - other) <= SAME_ROOT * (1 + abs(root))]
        if near:
            twice.add(near[0])
        else:
            found.append(root)
    for i in list(twice):
        found += [found[i]] * (_multiplicity(matrices, found[i]) - 1)
    return ordered(np.array(found, dtype=complex))


def _multiplicity(matrices: Matrices, root: complex) -> int:
    """How often det Delta winds around 0 on a small circle around the root."""
    circle = root + 1e-4 * (1 + abs(root)) * np.exp(2j * np.pi * np.arange(257) / 256)
    sign = np.linalg.slogdet(delta(matrices, circle))[0]
    return max(1, round(float(np.angle(sign[1:] / sign[:-1]).sum()) / (2 * np.pi)))


def _newton(matrices: Matrices, root: complex, vector: np.ndarray) -> complex | None:
    """Newton's method on Delta(lambda) v = 0, v_bar' v = 1; None where the candidate was no approximation of a root."""
    d = len(vector)
    start, length = root, np.linalg.norm(vector)
    if length == 0:
        return None
    v = vector / length
    border = v.conj()
    for _ in range(20):
        with np.errstate(all="ignore"):
            decays = {delay: matrix * np.exp(-root * delay) for delay, matrix in matrices.items()}
            now = root * np.eye(d) - sum(decays.values())
            slope = np.eye(d) + sum(delay * matrix for delay, matrix in decays.items())
        system = np.block([[now, (slope @ v)[:, None]], [border[None, :], np.zeros((1, 1))]])
        if not np.isfinite(system).all():
            return None
        try:
            change = np.linalg.solve(system, -np.concatenate([now @ v, [border @ v - 1.0]]))
        except np.linalg.LinAlgError:
            break
        v, root = v + change[:d], root + complex(change[d])
        if abs(change[d]) <= 1e-14 * (1 + abs(root)):
            # a candidate that was no approximation wanders off to a root that another one finds
            return root if abs(root - start) <= 0.1 * (1 + abs(root)) else None
    # a multiple root, where the step is a quotient of two small numbers
    with np.errstate(all="ignore"):
        near = delta(matrices, np.array(start))
        least = np.linalg.svd(near, compute_uv=False)[-1] if np.isfinite(near).all() else np.inf
    return start if least <= SINGULAR * (1 + abs(start)) else None
