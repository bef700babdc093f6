"""Where gradients go: products of Jacobians, vanishing and exploding.

Home of: B4, B5.  Uses: B1, B2.  Source: "RNN Training Difficulties".

B4  d s[n] / d s[l] = prod_{k=l}^{n-1} (W_s + W_r diag G'(s[k])), n > l; its transpose takes psi[n] to psi[l]
B5  the product vanishes where ||W_r|| max|G'| < 1 (with W_s: ||W_s|| + ||W_r|| max|G'| < 1), and can explode where the
    largest singular value of the Jacobians stays above 1; the rate is the largest Lyapunov exponent of the recursion

A cell with taps has d s[n] / d s[l] = sum_k (W_s[k] + W_r[k] diag G'(s[n-k])) d s[n-k] / d s[l].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import check_array, check_count, to_numpy
from ode2rnn.core.system import run
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped
from ode2rnn.training.bptt import sweep

# sup |G'|; for an activation of the user's own the largest slope on the run stands in
STEEPEST = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "softplus": 1.0, "identity": 1.0}

# a product is brought back to norm 1 when its norm leaves this range, so that no lag is too long
RANGE = 1e-60, 1e60
TICKS_A_QR = 10


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How an error flows back through a run.

    Attributes:
        lags: n - l, from 0 on, (L,).
        log_norms: natural logarithm of the Frobenius norm of d s[n] / d s[l], l the first sample, (L,); -inf where
            the product is zero.
        singular_lags: some of the lags, (Q,).
        log_singular: logarithms of the singular values of the product at these lags, the largest first, (Q, d); NaN
            for those that rounding has covered, less than d epsilon of the largest.
        psi_norms: |psi[n]| along the sequence, (N,), for the given r_bar.
        chi_norms: |chi[n]|, likewise.
        rate: growth of log_norms a tick, over the second half of the lags.
        exponents: leading Lyapunov exponents of the recursion along the run, a tick, over the same half: from tangent
            vectors kept orthogonal, not from the product.
        bound: the factor of B5: below 1 the product vanishes whatever the input, at least like bound^lag.
    """

    lags: np.ndarray
    log_norms: np.ndarray
    singular_lags: np.ndarray
    log_singular: np.ndarray
    psi_norms: np.ndarray
    chi_norms: np.ndarray
    rate: float
    exponents: np.ndarray
    bound: float

    @property
    def norms(self) -> np.ndarray:
        """Frobenius norms of d s[n] / d s[l], (L,); infinite where they are beyond the largest number."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_norms)

    @property
    def verdict(self) -> str:
        """What happens to gradients over long lags, in words."""
        if self.bound < 1:
            return f"vanishes: ||W_s|| + ||W_r|| max|G'| = {self.bound:.3g} < 1, sufficient whatever the input (B5)"
        how = "vanishes" if self.rate < 0 else "explodes"
        return f"{how} along this run: a factor {np.exp(self.rate):.3g} a tick"


def gradient_flow(
    cell: CanonicalRNN | TappedRNN,
    x: Any,
    s0: Any = None,
    *,
    start: int = 0,
    r_bar: Any = None,
    singular: int = 12,
    exponents: int = 1,
) -> GradientFlow:
    """Jacobian products d s[n] / d s[start] for all n >= start, with their singular values, and psi along the run.

    Args:
        cell: CanonicalRNN or TappedRNN.
        x: inputs (N, m) of one sequence, or the number of ticks for a cell without input.
        s0: s[-1], (d,).
        start: l, the sample that the products begin at.
        r_bar: partial E / partial r[n] (N, d) for psi; by default 1 for every readout of the last sample.
        singular: at how many lags, evenly spread over the logarithm, the singular values are computed.
        exponents: how many Lyapunov exponents.

    Raises:
        ValueError: wrong shapes, a batch, a start that leaves no two lags.
        SimulationError: the run or psi overflowed (the products are kept in logarithms and do not).

    Example:
        >>> cell = CanonicalRNN(W_s=0.0, W_r=0.9, W_x=None, theta_s=0.0, activation="identity")
        >>> flow = gradient_flow(cell, 101)
        >>> print(f"{flow.norms[100]:.3e}, 0.9^100 = {0.9**100:.3e}")
        2.656e-05, 0.9^100 = 2.656e-05
    """
    tapped = plain_taps(cell)
    forward = run(tapped, x, s0)
    s = forward.s
    if s.ndim != 2:
        raise ValueError(f"x: expected one sequence (N, {tapped.input_width}), got a batch of shape {s.shape[1:-1]}")
    count, d = s.shape
    if count < 3:
        raise ValueError(f"x: expected at least 3 samples, got {count}")
    first = check_count("start", start, 0)
    if first > count - 3:
        raise ValueError(f"start: expected a sample that leaves two lags, at most {count - 3}, got {first}")
    singular, exponents = check_count("singular", singular, 0), check_count("exponents", exponents, 0)
    given = _last(s) if r_bar is None else to_numpy(check_array("r_bar", r_bar))
    if given.shape != s.shape:
        raise ValueError(f"r_bar: expected shape {s.shape}, got {given.shape}")

    slopes = to_numpy(as_activation(tapped.activation).slope(s))
    lags = np.arange(count - first)
    shown = np.unique(np.geomspace(1, lags[-1], singular).round().astype(int)) if singular else np.zeros(0, dtype=int)
    log_norms, log_singular = _products(tapped, slopes[first:], set(shown.tolist()))
    psi, chi = _errors(tapped, s, given)
    half = len(lags) // 2
    with np.errstate(invalid="ignore"):  # a product that is zero stays zero
        rate = (log_norms[-1] - log_norms[half]) / (lags[-1] - half)
    return GradientFlow(
        lags,
        log_norms,
        shown,
        log_singular,
        _norms(psi),
        _norms(chi),
        float(rate) if np.isfinite(log_norms[-1]) else -np.inf,
        _exponents(tapped, slopes[first:], min(exponents, d), half),
        contraction(tapped, STEEPEST.get(as_activation(tapped.activation).name, float(np.abs(slopes).max()))),
    )


def plain_taps(cell: CanonicalRNN | TappedRNN) -> TappedRNN:
    """The cell by lag, in NumPy."""
    t = as_tapped(cell)
    W_s, W_r, W_x = ({lag: to_numpy(W) for lag, W in taps.items()} for taps in (t.W_s, t.W_r, t.W_x))
    return TappedRNN(W_s, W_r, W_x, to_numpy(t.theta_s), t.dt, t.activation)


def contraction(cell: TappedRNN, steepest: float) -> float:
    """sum_k ||W_s[k]|| + ||W_r[k]|| max|G'|, the undelayed readout counted as what its solution multiplies (B5)."""
    with np.errstate(divide="ignore"):
        sizes = [float(np.linalg.norm(W, 2)) for W in cell.W_s.values()]
        sizes += [steepest * float(np.linalg.norm(W, 2)) for lag, W in cell.W_r.items() if lag > 0]
        now = steepest * float(np.linalg.norm(cell.W_r[0], 2)) if 0 in cell.W_r else 0.0
        return sum(sizes) / (1 - now) if now < 1 else np.inf


def _jacobians(cell: TappedRNN, slopes: np.ndarray) -> Callable[[int], dict[int, np.ndarray]]:
    """For tick n, d s[n] / d s[n-k] by lag k >= 1; slopes (N, d) are G'(s[n])."""
    lags = sorted({*cell.W_s, *cell.W_r} - {0})
    eye = np.eye(cell.width)

    def at(n: int) -> dict[int, np.ndarray]:
        blocks: dict[int, np.ndarray] = {}
        for lag in lags:
            if lag > n:
                continue
            if lag in cell.W_r:
                blocks[lag] = cell.W_r[lag] * slopes[n - lag]
            if lag in cell.W_s:
                blocks[lag] = blocks[lag] + cell.W_s[lag] if lag in blocks else cell.W_s[lag]
        if 0 in cell.W_r:
            inverse = np.linalg.inv(eye - cell.W_r[0] * slopes[n])
            blocks = {lag: inverse @ block for lag, block in blocks.items()}
        return blocks

    return at


def _products(cell: TappedRNN, slopes: np.ndarray, shown: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """log ||d s[k] / d s[0]|| for every k (L,), and the logarithms of the singular values at the lags ``shown``."""
    d, count = cell.width, len(slopes)
    jacobians = _jacobians(cell, slopes)
    depth = max([*cell.W_s, *cell.W_r, 1])
    past = [np.eye(d)]  # the latest first
    log_norms, scale, singular = np.full(count, -np.inf), 0.0, []
    log_norms[0] = 0.5 * np.log(d)
    for n in range(1, count):
        blocks = jacobians(n)
        product = sum((block @ past[lag - 1] for lag, block in blocks.items() if lag <= len(past)), np.zeros((d, d)))
        size = float(np.sqrt(np.vdot(product, product)))
        past = [product, *past[: depth - 1]]
        with np.errstate(divide="ignore"):
            log_norms[n] = np.log(size) + scale
            if n in shown:
                values = np.linalg.svd(product, compute_uv=False)
                values[values < d * np.finfo(float).eps * values[0]] = np.nan
                singular.append(np.log(values) + scale)
        largest = max(float(np.abs(p).max()) for p in past) if depth > 1 else size
        if largest and not RANGE[0] < largest < RANGE[1]:
            past = [p / largest for p in past]
            scale += np.log(largest)
    return log_norms, np.array(singular).reshape((-1, d))


def _exponents(cell: TappedRNN, slopes: np.ndarray, count: int, half: int) -> np.ndarray:
    """Leading Lyapunov exponents a tick from tick ``half`` on, from tangent vectors that a QR keeps apart."""
    d, ticks = cell.width, len(slopes)
    if count == 0:
        return np.zeros(0)
    jacobians = _jacobians(cell, slopes)
    depth = max([*cell.W_s, *cell.W_r, 1])
    Y = np.linalg.qr(np.random.default_rng(0).standard_normal((depth * d, count)))[0]
    total = np.zeros(count)
    for n in range(1, ticks):
        new = np.zeros((d, count))
        for lag, block in jacobians(n).items():
            new += block @ Y[(lag - 1) * d : lag * d]
        Y = new if depth == 1 else np.concatenate([new, Y[:-d]])
        if n % TICKS_A_QR == 0 or n in (half, ticks - 1):
            Y, R = np.linalg.qr(Y)
            if n > half:
                with np.errstate(divide="ignore"):
                    total += np.log(np.abs(np.diag(R)))
    return total / (ticks - 1 - half)


def _last(s: np.ndarray) -> np.ndarray:
    r_bar = np.zeros(s.shape)
    r_bar[-1] = 1.0
    return r_bar


def _errors(cell: TappedRNN, s: np.ndarray, r_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        psi, chi = sweep(cell, s, len(s), r_bar)
    finite = np.isfinite(psi).all(axis=1)
    if not finite.all():
        n = int(np.flatnonzero(~finite)[-1])
        raise SimulationError(f"psi overflowed on the way back, at sample {n} of {len(s)}; look at a shorter sequence")
    return psi, chi


def _norms(rows: np.ndarray) -> np.ndarray:
    """Euclidean norms of the rows, whose squares may overflow or vanish."""
    sizes = np.abs(rows).max(axis=1)
    scaled = rows / np.where(sizes == 0, 1.0, sizes)[:, None]
    return sizes * np.linalg.norm(scaled, axis=1)
