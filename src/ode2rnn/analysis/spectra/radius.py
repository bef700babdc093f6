"""The largest multiplier of a recursion that remembers many ticks, without the eigenvalues of all its memory.

Uses: D6.  Multipliers of short steps lie close together, near 1; their powers over the whole memory do not. Arnoldi's
method on the map that takes the memory ahead by so many ticks finds the largest of these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn import kernels
from ode2rnn.analysis.memory.taps import linear_taps
from ode2rnn.analysis.spectra.linear import roots_at
from ode2rnn.analysis.spectra.spectrum import resting
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.systems.kinds import as_ticking
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.compiled import taps as matrices_by_lag
from ode2rnn.kernels.elementwise.codes import IDENTITY

# up to this many values all eigenvalues take less time
SMALL = 80
# and beyond this they would take minutes
MOST = 3000
FEWEST, SUBSPACE = 4, 24
# the map may not shrink or stretch a memory beyond this, or rounding and overflow tell the result
RANGE = 1e100


def spectral_radius(system: object, s: ArrayLike | None = None, *, x: ArrayLike | None = None) -> float:
    """Return the largest |z| of a map linearized at the fixed point ``s`` (found from 0 by default); stable below 1.

    Raises:
        ValueError: no map, ``s`` of the wrong shape, or NaN.
        SimulationError: a memory of more than 3000 values, for which Arnoldi's method does not converge.

    Example:
        >>> from ode2rnn import ContinuousRNN, discretize
        >>> lag = ContinuousRNN(A=0.0, B=-1.0, C=None, phi=None, tau=1.0, activation="identity")
        >>> round(float(np.log(spectral_radius(discretize(lag, 1e-3))) * 1000), 2)  # the root is -0.318
        -0.32
    """
    subject = as_ticking("cell", as_subject(system, "cell"), "a flow has characteristic_roots")
    at = resting(subject, s, x)
    taps = linear_taps(subject, at[: subject.width])
    if taps is not None:
        depth, d = max(taps), subject.width
        if depth * d > SMALL and kernels.pays("run_ticks", 1e-8 * (depth * d) ** 3):
            ticks = depth
            while ticks > 1:
                radius = _by_powers(taps, depth, ticks)
                if radius is not None:
                    return radius
                ticks //= 8
        if depth * d > MOST:
            raise SimulationError(
                f"no largest multiplier of the {depth * d} values that the recursion remembers was found"
            )
    return float(np.abs(roots_at(subject, at, x, 1)[0]))


def _by_powers(taps: dict[int, np.ndarray], depth: int, ticks: int) -> float | None:
    """From the map over so many ticks; None where its range is too wide, or Arnoldi's method does not converge."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

    d = len(taps[1])
    terms, none = matrices_by_lag([*taps.items()], []), np.zeros((ticks, 1, d))
    S, R = np.zeros((2, depth + ticks, 1, d))

    # rho(M)^ticks = rho(M^ticks): far apart powers separate the leading multipliers, and each product is a run
    def ahead(memory: np.ndarray) -> np.ndarray:
        S[:depth, 0] = memory.reshape((depth, d))
        kernels.run_ticks(IDENTITY, terms, none, depth, S, R)
        return S[ticks:, 0].ravel()

    start = np.random.default_rng(0).normal(size=depth * d)
    with np.errstate(all="ignore"):
        size = np.abs(ahead(start)).max()
        if not 1 / RANGE < size < RANGE:
            return None
        operator = LinearOperator((depth * d,) * 2, matvec=ahead, dtype=float)
        try:
            powers = eigs(operator, k=FEWEST, ncv=SUBSPACE, v0=start, tol=1e-10, return_eigenvectors=False)
        except ArpackError:
            return None
    return float(np.abs(powers).max() ** (1 / ticks))
