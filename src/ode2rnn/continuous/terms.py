"""The linear terms of the additive model: a matrix and its delay.

Uses: C4, C5, C6, C8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.continuous.circulant import Circulant
from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, as_like, brief, check_array, check_nonnegative, check_number, check_shape

Terms = Sequence[tuple[Any, float]]  # (matrix or Circulant, delay)
KINDS = ("state", "readout", "input")
FEW = 32  # rows up to which products are taken together


class Term(NamedTuple):
    """One linear term of C7: a matrix (dense or Circulant) and its delay, in the model's unit of time."""

    matrix: Array | Circulant
    delay: float

    def apply(self, values: Array) -> Array:
        """matrix @ v for every v in ``values`` (..., n)."""
        if isinstance(self.matrix, Circulant):
            return self.matrix.apply(values)
        if (
            type(values) is np.ndarray and values.ndim > 2 and values.shape[-2] < FEW
        ):  # one product, not many small ones
            flat = values.reshape((-1, values.shape[-1])) @ self.matrix.T
            return flat.reshape((*values.shape[:-1], flat.shape[-1]))
        return values @ self.matrix.T

    def transposed(self) -> Term:
        """The term of the transposed matrix."""
        if isinstance(self.matrix, Circulant):
            return Term(self.matrix.transposed(), self.delay)
        return Term(self.matrix.T, self.delay)

    def dense(self) -> Array:
        """The matrix, written out."""
        return self.matrix.dense() if isinstance(self.matrix, Circulant) else self.matrix

    @property
    def entries(self) -> Array:
        """The array that the matrix is made of: itself, or the kernel of a Circulant."""
        return self.matrix.kernel if isinstance(self.matrix, Circulant) else self.matrix

    def holding(self, entries: Array) -> Term:
        """The same term made of these entries."""
        return Term(Circulant(entries) if isinstance(self.matrix, Circulant) else entries, self.delay)

    def like(self, array: Array) -> Term:
        """The same term with entries of the kind, dtype and device of ``array``."""
        return self.holding(as_like(self.entries, array))


class Readout(tuple[Term, ...]):
    """The terms of the readout; called with states (..., d) the readout itself, r = G(s)."""

    activation: Activation

    @classmethod
    def of(cls, terms: Iterable[Term], activation: Activation) -> Readout:
        """The terms, with G."""
        own = cls(terms)
        own.activation = activation
        return own

    def __call__(self, s: Array) -> Array:
        return self.activation.value(s)


def check_terms(kind: str, terms: Terms) -> list[Term]:
    try:
        pairs = [tuple(term) for term in terms]
    except Exception:  # whatever going through the value may raise
        raise ValueError(f"{kind}: expected a list of (matrix, delay) pairs, got {brief(terms)}") from None
    checked: list[Term] = []
    for k, pair in enumerate(pairs):
        if len(pair) != 2:
            raise ValueError(f"{kind}[{k}]: expected a pair (matrix, delay), got {len(pair)} entries")
        matrix, delay = pair
        if not isinstance(matrix, Circulant):
            matrix = check_array(f"{kind}[{k}]", matrix)
            matrix = matrix.reshape((1, 1)) if matrix.ndim == 0 else matrix
            check_shape(f"{kind}[{k}]", matrix, ("d", "m" if kind == "input" else "d"))
        check = check_number if kind == "input" else check_nonnegative  # an input alone is known ahead of time
        checked.append(Term(matrix, check(f"{kind}[{k}] delay", delay)))
    delays = [term.delay for term in checked]
    if len(set(delays)) < len(delays):
        raise ValueError(f"{kind}: expected distinct delays, got {delays}; add the matrices that share a delay")
    return checked
