"""The proposition of unrolling as a check: what a segment of K samples leaves out, against K.

Home of: U4, U5.  Uses: B3.  Source: "RNN Unfolding/Unrolling".

U4  where the cell's memory fades within K samples, the objective E of the long sequence is nearly sum_m E_m, that of
    independent segments of K samples that start from zero; so are their gradients
U5  how nearly: the truncation error |s[n] - s_K[n]|, s_K[n] the state after the last K inputs alone, against K, and
    its bound by the contraction rate; the error of the objective and of its gradient; the smallest K for a tolerance

The truncation error falls like rate^K. The objective is another matter: every segment has early samples whose past was
cut off, about as many in each, and their share of all samples falls like 1 / K.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.memory.taps import norms_by_lag, plain_taps, warping
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import as_like, check_array, check_choice, check_count, check_positive, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.systems import states
from ode2rnn.core.systems.kinds import as_ticking
from ode2rnn.core.systems.system import System, Taps
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import norm, parameters

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
KINDS = ("state", "objective", "gradient")


@dataclass(frozen=True, eq=False)
class Truncation:
    """What segments of K samples leave out.

    Attributes:
        lengths: K = 1, 2, ..., (L,).
        error: max over n of |s[n] - s_K[n]|, s_K[n] from zero through the last K inputs, for each K (L,).
        scale: max over n of |s[n]|, the error of K = 0.
        bound: what the contraction allows, never below the error (L,); infinite or large where nothing contracts, and
            infinite of a cell that no factor is known of: any but a recursion with taps.
        rate: the factor by which a difference of two states shrinks at least in one tick, anywhere between the states
            that occur, for taps that of all lags together; below 1 the cell contracts. Infinite where none is known.
        segments: lengths K at which the sequence was cut into segments, (M,).
        objective_error: |sum_m E_m - E| / |E| at these, (M,); infinite where only E is zero.
        gradient_error: |gradient of sum_m E_m - that of E| / |that of E|, over all parameters, (M,).
    """

    lengths: np.ndarray
    error: np.ndarray
    scale: float
    bound: np.ndarray
    rate: float
    segments: np.ndarray
    objective_error: np.ndarray
    gradient_error: np.ndarray

    @property
    def contracts(self) -> bool:
        """Whether the rate is below 1: then U4 is certain for K large enough."""
        return self.rate < 1

    def smallest(self, tolerance: float, of: str = "state") -> int | None:
        """The smallest K from which on the error is at most ``tolerance``; None if no K of the study is enough.

        Args:
            tolerance: relative: for "state" times the largest |s[n]|.
            of: "state", "objective" or "gradient".

        Raises:
            ValueError: tolerance <= 0, another ``of``.
        """
        tolerance = check_positive("tolerance", tolerance)
        errors = {
            "state": self.error / (self.scale or 1.0),
            "objective": self.objective_error,
            "gradient": self.gradient_error,
        }[check_choice("of", of, KINDS)]
        lengths = self.lengths if of == "state" else self.segments
        above = np.flatnonzero(~(errors <= tolerance))
        first = above[-1] + 1 if len(above) else 0
        return int(lengths[first]) if first < len(lengths) else None

    def summary(self, tolerance: float = 1e-2) -> str:
        """Whether the proposition U4 applies to this cell and input, in words."""
        most, K = int(self.lengths[-1]), self.smallest(tolerance)
        if K is None:
            left = self.error[-1] / (self.scale or 1.0)
            known = f" (rate {self.rate:.3g})" if np.isfinite(self.rate) else ""
            return (
                f"the proposition fails: after {most} samples {left:.2g} of the state still comes from before them;"
                f" the memory of the cell does not fade{known}"
            )
        why = f"the cell contracts, rate {self.rate:.3g}" if self.contracts else "seen here, no contraction proves it"
        return f"the memory fades: {tolerance:g} of the state is left after {K} samples ({why})"


def truncation(
    cell: object,
    x: ArrayLike,
    objective: Objective | None = None,
    *,
    most: int | None = None,
    segments: Sequence[int] | None = None,
) -> Truncation:
    """Cut the memory of ``cell`` off after K samples, for every K, on the input ``x`` (U4, U5).

    Args:
        cell: any System, or a layer; it starts from zero. A window of inputs (X1) sees those beyond the K samples.
        x: inputs (N, ..., m), or the number of ticks for a cell without input.
        objective: takes the readouts (N, ..., d) to E, a sum over samples, and partial E / partial r;
            :func:`squared_error` makes one. Without it the objective and its gradient are left out.
        most: the largest K; by default half of the samples, at most 200.
        segments: K for the objective; by default eight or so up to ``most``, a factor apart.

    Raises:
        ValueError: no System, wrong shapes, K < 1 or beyond the sequence.
        SimulationError: the recursion diverges.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.0, W_r=0.5, W_x=1.0, theta_s=0.0, activation="identity")
        >>> study = truncation(cell, np.ones(40), most=4)
        >>> study.error.round(4), round(study.rate, 6), study.smallest(0.1)
        (array([1.   , 0.5  , 0.25 , 0.125]), 0.5, 4)
    """
    own = as_ticking("cell", as_subject(cell, "cell")).plain()
    forward = run(own, x)
    s, inputs, count = to_numpy(forward.s), forward.x, len(forward.s)
    most = min(200, max(1, count // 2)) if most is None else check_count("most", most)
    if most > count:
        raise ValueError(f"most: expected at most the {count} samples of x, got {most}")
    if segments is None:
        cuts = np.unique(np.geomspace(1, most, 9).round().astype(int))
    else:
        cuts = np.unique([check_count("segments", K) for K in segments])
        if len(cuts) == 0 or cuts[-1] > count:
            raise ValueError(f"segments: expected lengths up to the {count} samples of x, got {list(segments)}")
    # measured: the state after K ticks from rest against the state itself, at every sample
    windows = None if inputs is None else own.prepare(inputs)
    error, ends = _window_errors(own, s, windows, most)
    scale = float(np.linalg.norm(s, axis=-1).max())
    # bounded (U4, U5): by the norms of the taps, where their sum contracts
    taps, bound, rate = plain_taps(own), np.full(most, np.inf), np.inf
    if taps is not None:
        norms = norms_by_lag(taps, *_box(warping(own), s, ends))
        bound = _bound(own, taps, norms, scale, inputs, most)
        now = norms.get(0, 0.0)
        rate = sum(size for lag, size in norms.items() if lag) / (1 - now) if now < 1 else np.inf
    wrong = [np.zeros(0), np.zeros(0)]
    if objective is None:
        cuts = cuts[:0]
    else:
        wrong = _objective_errors(own, count if inputs is None else inputs, objective, cuts)
    return Truncation(np.arange(1, most + 1), error, scale, bound, float(rate), cuts, *wrong)


def squared_error(target: ArrayLike, readout: ArrayLike | None = None) -> Objective:
    """E = 1/2 sum |W r[n] - target[n]|^2 as an objective, with its gradient by the readouts.

    Args:
        target: (N, ..., q).
        readout: W (q, d); by default the readouts themselves are compared.

    Example:
        >>> E, r_bar = squared_error([[1.0], [2.0]])(np.array([[1.0], [0.0]]))
        >>> E, r_bar.ravel()
        (2.0, array([ 0., -2.]))
    """
    wanted = to_numpy(check_array("target", target))
    W = None if readout is None else to_numpy(check_array("readout", readout))

    def objective(r: np.ndarray) -> tuple[float, np.ndarray]:
        given = r if W is None else r @ W.T
        if given.shape != wanted.shape:
            raise ValueError(f"target: expected shape {given.shape}, that of the outputs, got {wanted.shape}")
        gap = given - wanted
        return 0.5 * float((gap**2).sum()), gap if W is None else gap @ W

    return objective


def _window_errors(cell: System, s: np.ndarray, x: np.ndarray | None, most: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """max_n |s[n] - s_K[n]| for K = 1 .. most, and for K = 0 .. most the s_K[n], n = K - 1 .. N - 1.

    s_K[n] is one step, with x[n], from s_{K-1}[n-1]: every window is a member of a batch over n.
    """
    errors, ends = np.zeros(most), [np.zeros_like(s)]
    memory = cell.init(as_like(np.zeros(s.shape), cell.like))
    for K in range(1, most + 1):
        if K > 1:  # the window that ended at n - 1
            memory = states.mapped(lambda a: a[(slice(None),) * (a.ndim - s.ndim) + (slice(-1),)], memory)
        memory = cell.step(memory, None if x is None else x[K - 1 :])
        ends.append(to_numpy(cell.readout(memory)[0]))
        errors[K - 1] = np.linalg.norm(s[K - 1 :] - ends[-1], axis=-1).max()
    return errors, ends


def _box(G: Activation, s: np.ndarray, ends: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest (G(a) - G(b)) / (a - b) for each unit, and of G' at a, over all that differences saw, (d,)."""
    low, high = np.full(s.shape[-1], np.inf), np.full(s.shape[-1], -np.inf)
    for K, other in enumerate(ends):
        one = s[max(K - 1, 0) :]
        gap, slope = one - other, G.slope(one)
        near = np.abs(gap) < 1e-5
        quotient = (G.value(one) - G.value(other)) / np.where(near, 1.0, gap)
        secant = np.where(near, G.slope(0.5 * (one + other)), quotient)
        both = np.stack([secant, slope]).reshape((-1, one.shape[-1]))
        low, high = np.minimum(low, both.min(0)), np.maximum(high, both.max(0))
    return low, high


def _bound(
    cell: System, taps: Taps, norms: dict[int, float], scale: float, x: np.ndarray | None, most: int
) -> np.ndarray:
    """b_K = sum_k ||.||_k b_{K-k}, from b = scale, with the inputs before the window and with rounding."""
    largest = 0.0 if x is None else float(np.linalg.norm(x, axis=-1).max())
    theta = float(np.linalg.norm(cell.theta_s))  # type: ignore[attr-defined]
    terms = scale * (1 + sum(norms.values())) + sum(np.linalg.norm(W, 2) for W in taps.x.values()) * largest
    rounding = 4 * (cell.width + cell.input_width + 4) * np.finfo(float).eps * (terms + theta)
    now = norms.get(0, 0.0)
    if now >= 1:
        return np.full(most, np.inf)
    bound = [scale]
    with np.errstate(over="ignore"):
        for K in range(1, most + 1):
            total = sum(size * bound[max(K - lag, 0)] for lag, size in norms.items() if lag)
            total += sum(float(np.linalg.norm(W, 2)) * largest for lag, W in taps.x.items() if lag >= K)
            bound.append((total + rounding) / (1 - now))
    return np.array(bound[1:])


def _objective_errors(cell: System, x: ArrayLike, objective: Objective, cuts: np.ndarray) -> list[np.ndarray]:
    def gradient(r: np.ndarray) -> np.ndarray:
        return objective(r)[1]

    whole = bptt(cell, x, gradient)
    E, vector, size = objective(whole.trajectory.r)[0], parameters(whole.gradients), norm(whole.gradients)
    rows = []
    for K in cuts:
        cut = bptt(cell, x, gradient, segment=int(K), carry=False)
        other = objective(cut.trajectory.r)[0]
        gap = float(np.linalg.norm(parameters(cut.gradients) - vector))
        rows.append((_relative(abs(other - E), abs(E)), _relative(gap, size)))
    return list(np.array(rows).T)


def _relative(gap: float, size: float) -> float:
    if gap == 0:
        return 0.0
    return gap / size if size else np.inf
