"""Where gradients go: products of Jacobians, vanishing and exploding.

Home of: B4, B5.  Uses: B1, B2, T7.  Source: "RNN Training Difficulties".

B4  d s[n] / d s[l] = prod_{k=l}^{n-1} (W_s + W_r diag G'(s[k])), n > l; its transpose takes psi[n] to psi[l]
B5  the product vanishes where ||W_r|| max|G'| < 1 (with W_s: ||W_s|| + ||W_r|| max|G'| < 1), and can explode where the
    largest singular value of the Jacobians stays above 1; the rate is the largest Lyapunov exponent of the recursion

A cell with taps has d s[n] / d s[l] = sum_k (W_s[k] + W_r[k] diag G'(s[n-k])) d s[n-k] / d s[l]. What a gated cell
carries from tick to tick is (s, v), and the Jacobians are those of both. No matrix is formed: the tangent of a tick,
``System.step_jvp``, takes the directions ahead, and its cotangent the errors back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.memory.products import Linearized, leading_exponents, products
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.arrays import check_array, check_count, is_torch, to_numpy
from ode2rnn.core.run import Remembered, remembered
from ode2rnn.core.systems import states
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.kinds import as_ticking
from ode2rnn.core.systems.system import System
from ode2rnn.training.gradients.bptt import bptt


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How an error flows back through a run.

    Attributes:
        lags: n - l, from 0 on, (L,).
        log_norms: natural logarithm of the Frobenius norm of d s[n] / d s[l], l the first sample, (L,); -inf where
            the product is zero. Of a gated cell, of the whole state (s, v).
        singular_lags: some of the lags, (Q,).
        log_singular: logarithms of the singular values of the product at these lags, the largest first, (Q, d), of a
            gated cell (Q, d + d_v) for (s, v); NaN for those that rounding has covered, less than d epsilon of the
            largest.
        psi_norms: |psi[n]| along the sequence, (N,), for the given r_bar.
        chi_norms: |chi[n]|, likewise.
        rate: growth of log_norms a tick, over the second half of the lags.
        exponents: leading Lyapunov exponents of the recursion along the run, a tick, over the same half: from tangent
            vectors kept orthogonal, not from the product.
        bound: the factor of B5: below 1 the product vanishes whatever the input, at least like bound^lag. Infinite
            where no such factor is known, as for gated cells.
        log_carousel: of an LSTM, the logarithm of the norm of prod diag g_cs alone (T7), (L,): the error flow along
            the state when nothing goes through the gates. Else None.
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
    log_carousel: np.ndarray | None = None

    @property
    def norms(self) -> np.ndarray:
        """Frobenius norms of d s[n] / d s[l], (L,); infinite where they are beyond the largest number."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_norms)

    @property
    def trend(self) -> str:
        """What happens to gradients over long lags, in words."""
        if self.bound < 1:
            return f"vanishes: ||W_s|| + ||W_r|| max|G'| = {self.bound:.3g} < 1, sufficient whatever the input (B5)"
        # within one per cent over the half that the rate is measured on, as along a carousel
        steady = abs(self.rate) * len(self.lags) / 2 < 0.01
        how = "neither vanishes nor explodes" if steady else "vanishes" if self.rate < 0 else "explodes"
        return f"{how} along this run: a factor {np.exp(self.rate):.3g} a tick"


def gradient_flow(
    cell: object,
    x: ArrayLike,
    s0: object = None,
    *,
    start: int = 0,
    r_bar: ArrayLike | None = None,
    singular: int = 12,
    exponents: int = 1,
) -> GradientFlow:
    """Return Jacobian products d s[n] / d s[start] for all n >= start, their singular values, and psi along the run.

    Args:
        cell: any System that is a map on vectors: a recursion, a gated cell or one of the chain T1-T6, samples, a Map,
            torch's RNN, LSTM, GRU or a layer of ode2rnn.nn.
        x: inputs (N, m) of one sequence, or the number of ticks for a cell without input.
        s0: s[-1], (d,), or what else ``run`` starts the cell from.
        start: l, the sample that the products begin at.
        r_bar: partial E / partial r[n] (N, d) for psi, of a gated cell partial E / partial v[n]; by default 1 for
            every readout of the last sample.
        singular: at how many lags, evenly spread over the logarithm, the singular values are computed.
        exponents: how many Lyapunov exponents.

    Raises:
        ValueError: no System, wrong shapes, a batch, a start that leaves no two lags.
        SimulationError: the run or psi overflowed (the products are kept in logarithms and do not).

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.0, W_r=0.9, W_x=None, theta_s=0.0, activation="identity")
        >>> flow = gradient_flow(cell, 101)
        >>> print(f"{flow.norms[100]:.3e}, 0.9^100 = {0.9**100:.3e}")
        2.656e-05, 0.9^100 = 2.656e-05
    """
    own = as_ticking("cell", as_subject(cell, "cell")).plain().by_states()
    flat = Flat(own)
    inputs, begun = to_numpy(x) if is_torch(x) else x, states.mapped(to_numpy, s0)
    forward = remembered(own, inputs, begun)
    s, shape = forward.trajectory.s, forward.trajectory.r.shape
    if s.ndim != 2:
        raise ValueError(f"x: expected one sequence (N, {own.input_width}), got a batch of shape {s.shape[1:-1]}")
    count = len(s)
    if count < 3:
        raise ValueError(f"x: expected at least 3 samples, got {count}")
    first = check_count("start", start, 0)
    if first > count - 3:
        raise ValueError(f"start: expected a sample that leaves two lags, at most {count - 3}, got {first}")
    singular, exponents = check_count("singular", singular, 0), check_count("exponents", exponents, 0)
    given = _last(shape) if r_bar is None else to_numpy(check_array("r_bar", r_bar))
    if given.shape != shape:
        raise ValueError(f"r_bar: expected shape {shape}, got {given.shape}")

    recursion = _linearized(own, flat, forward, first)
    lags = np.arange(count - first)
    shown = np.unique(np.geomspace(1, lags[-1], singular).round().astype(int)) if singular else np.zeros(0, dtype=int)
    log_norms, log_singular = products(recursion, set(shown.tolist()))
    back = bptt(own, inputs, given, begun)
    half = len(lags) // 2
    with np.errstate(invalid="ignore"):  # a product that is zero stays zero
        rate = (log_norms[-1] - log_norms[half]) / (lags[-1] - half)
    return GradientFlow(
        lags,
        log_norms,
        shown,
        log_singular,
        _norms(to_numpy(back.psi)),
        _norms(to_numpy(back.chi)),
        float(rate) if np.isfinite(log_norms[-1]) else -np.inf,
        leading_exponents(recursion, min(exponents, recursion.width), half),
        own.contraction(s),
        _carousel(own, forward, first),
    )


def _linearized(system: System, flat: Flat, forward: Remembered, first: int) -> Linearized:
    """The recursion linearized along the run, from the state after tick ``first`` on."""
    after = [system.flatten(state) for state in forward.states[first + 1 :]]
    rows = flat.drive(forward.trajectory.x)

    def push(n: int, V: np.ndarray) -> np.ndarray:
        return flat.push(after[n - 1], V, rows[(first + n) % len(rows)])

    return Linearized(flat.size // flat.depth, flat.size, len(after), push)


def _carousel(cell: System, forward: Remembered, first: int) -> np.ndarray | None:
    """log ||prod diag g_cs|| over the ticks after ``first`` (T7); None of what has no carousel."""
    gates = []
    for n in range(first + 1, len(forward.states) - 1):
        gate = cell.carousel(forward.states[n], None if forward.seen is None else forward.seen[n])
        if gate is None:
            return None
        gates.append(gate)
    with np.errstate(divide="ignore"):
        logs = np.cumsum(np.log(np.array(gates)), axis=0)
    return 0.5 * np.logaddexp.reduce(2 * np.concatenate([np.zeros((1, logs.shape[-1])), logs]), axis=1)


def _last(shape: tuple[int, ...]) -> np.ndarray:
    r_bar = np.zeros(shape)
    r_bar[-1] = 1.0
    return r_bar


def _norms(rows: np.ndarray) -> np.ndarray:
    """Euclidean norms of the rows, whose squares may overflow or vanish."""
    sizes = np.abs(rows).max(axis=1)
    scaled = rows / np.where(sizes == 0, 1.0, sizes)[:, None]
    return sizes * np.linalg.norm(scaled, axis=1)
