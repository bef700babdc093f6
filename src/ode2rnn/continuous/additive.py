"""The additive model: a network as a delay differential equation.

Home of: C1, C2, C3, C4, C5, C6, C7.  Source: "The Roots of RNN".

C1  ds/dt = f(t) + phi                     C4  a(t) = sum_k a_k(s(t - tau_s(k)))
C2  f(t) = h(s(t), x(t))                   C5  b(t) = sum_k b_k(r(t - tau_r(k))),  r = G(s)
C3  f(t) = a(t) + b(t) + c(t)              C6  c(t) = sum_k c_k(x(t - tau_x(k)))
C7  with a_k, b_k, c_k linear the model is the delay differential equation that `AdditiveModel` holds.

An input is known ahead of time, states and readouts are not: tau_x(k) may be negative, tau_s(k) and tau_r(k) may not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from ode2rnn.continuous.circulant import Circulant
from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    check_array,
    check_nonnegative,
    check_number,
    check_shape,
    is_torch,
    to_numpy,
)


class Term(NamedTuple):
    """One linear term of C7: a matrix (dense or Circulant) and its delay, in the model's unit of time."""

    matrix: Array | Circulant
    delay: float

    def apply(self, values: Array) -> Array:
        """matrix @ v for every v in ``values`` (..., n)."""
        if isinstance(self.matrix, Circulant):
            return self.matrix.apply(values)
        return values @ self.matrix.T

    def dense(self) -> Array:
        """The matrix, written out."""
        return self.matrix.dense() if isinstance(self.matrix, Circulant) else self.matrix

    @property
    def entries(self) -> Array:
        """The array that the matrix is made of: itself, or the kernel of a Circulant."""
        return self.matrix.kernel if isinstance(self.matrix, Circulant) else self.matrix

    def like(self, array: Array) -> Term:
        """The same term with entries of the kind, dtype and device of ``array``."""
        entries = as_like(self.entries, array)
        return Term(Circulant(entries) if isinstance(self.matrix, Circulant) else entries, self.delay)


class AdditiveModel:
    """ds/dt = sum A_k s(t - tau_k) + sum B_k r(t - tau_k) + sum C_k x(t - tau_k) + phi,  r = G(s)   (C7).

    Args:
        state: terms (A_k, tau_k), A_k of shape (d, d), or a Circulant (C8).
        readout: terms (B_k, tau_k), B_k of shape (d, d), or a Circulant.
        input: terms (C_k, tau_k), C_k of shape (d, m); tau_k < 0 looks ahead, at x(t + |tau_k|).
        phi: bias (d,); zero by default.
        activation: G, a registered name or an Activation.

    For d = 1 numbers stand for matrices and vectors. If any array is a torch tensor all become tensors of its
    dtype, and gradients flow through a simulation. The delays of one kind are distinct; those of states and readouts
    are not negative.

    Attributes:
        state, readout, input: tuples of Term (matrix, delay).
        phi, activation, width (d), input_width (m; 0 without input).

    Raises:
        ValueError: no term at all, shapes that do not fit, NaN, a repeated delay, a negative one of a state or
            readout, an unknown activation.

    Example:
        >>> model = AdditiveModel(state=[(-1.0, 0.0)], readout=[(0.5, 1.0), (0.25, 2.0)], phi=[0.1])
        >>> model.width, model.input_width, model.delays
        (1, 0, (1.0, 2.0))
    """

    state: tuple[Term, ...]
    readout: tuple[Term, ...]
    input: tuple[Term, ...]
    phi: Array
    activation: Activation

    def __init__(
        self,
        state: Sequence[tuple[Any, float]] = (),
        readout: Sequence[tuple[Any, float]] = (),
        input: Sequence[tuple[Any, float]] = (),
        phi: Any = None,
        activation: str | Activation = "tanh",
    ) -> None:
        kinds = {
            "state": _terms("state", state),
            "readout": _terms("readout", readout),
            "input": _terms("input", input),
        }
        bias = None if phi is None else check_array("phi", phi)
        if bias is not None and bias.ndim == 0:
            bias = bias.reshape((1,))
        every = [term for terms in kinds.values() for term in terms]
        d = int(every[0].matrix.shape[0]) if every else 0 if bias is None else int(bias.shape[0])
        if d < 1:
            raise ValueError("state, readout, input, phi: expected at least one term, got none")
        bias = check_shape("phi", np.zeros(d) if bias is None else bias, (d,))
        like = next((a for a in (*(term.entries for term in every), bias) if is_torch(a)), bias)
        fields: dict[str, Any] = {}
        for kind, terms in kinds.items():
            columns: int | str = "m" if kind == "input" else d
            for k, term in enumerate(terms):
                columns = int(check_shape(f"{kind}[{k}]", term.matrix, (d, columns)).shape[1])
                terms[k] = term.like(like)
                check_array(f"{kind}[{k}]", terms[k].entries)  # finite in the precision of the others, too
            fields[kind] = tuple(terms)
        fields["phi"] = check_array("phi", bias, like)
        fields["activation"] = as_activation(activation)
        fields["activation"].check_for(like)
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: build a new one instead of setting {name!r}")

    def __repr__(self) -> str:
        kinds = ", ".join(
            f"{kind}={[(tuple(t.matrix.shape), t.delay) for t in getattr(self, kind)]}"
            for kind in ("state", "readout", "input")
        )
        return f"{type(self).__name__}({kinds}, activation={self.activation.name!r})"

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.phi.shape[0])

    @property
    def input_width(self) -> int:
        """Number of inputs m; 0 for a model without input."""
        return int(self.input[0].matrix.shape[1]) if self.input else 0

    @cached_property
    def delays(self) -> tuple[float, ...]:
        """The positive delays of states and readouts, increasing: empty for an ordinary equation."""
        return tuple(sorted({t.delay for t in (*self.state, *self.readout) if t.delay > 0}))

    @cached_property
    def input_delays(self) -> tuple[float, ...]:
        """The delays of the input terms, increasing; a negative one looks ahead."""
        return tuple(sorted({t.delay for t in self.input}))

    def undelayed(self, kind: str) -> Term | None:
        """The term of that kind ("state", "readout", "input") whose delay is zero."""
        return next((t for t in getattr(self, kind) if t.delay == 0), None)

    def like(self, array: Array) -> Self:
        """The same model with its arrays of the kind, dtype and device of ``array``."""
        if array is self.phi:
            return self
        same_kind = is_torch(self.phi) == is_torch(array)
        if same_kind and (self.phi.dtype, self.phi.device) == (array.dtype, array.device):
            return self
        twin = copy.copy(self)
        for kind in ("state", "readout", "input"):
            twin.__dict__[kind] = tuple(term.like(array) for term in getattr(self, kind))
        twin.__dict__["phi"] = as_like(self.phi, array)
        self.activation.check_for(array)
        return twin

    def parameters(self) -> tuple[Array, ...]:
        """The torch tensors the model is built from (its kernels, for circulant terms)."""
        arrays = [term.entries for term in (*self.state, *self.readout, *self.input)]
        return tuple(a for a in (*arrays, self.phi) if is_torch(a))

    def rate(self, s: Array, x: Array | None = None) -> Array:
        """ds/dt where s, r and x have been constant for longer than every delay: the right-hand side of C7
        with all delays forgotten, (..., d). Its zeros are the equilibria.
        """
        total = self.phi + 0.0 * s
        r = self.activation.value(s)
        for term in self.state:
            total = total + term.apply(s)
        for term in self.readout:
            total = total + term.apply(r)
        if x is not None:
            for term in self.input:
                total = total + term.apply(x)
        return total

    def jacobian(self, s: Array) -> np.ndarray:
        """d rate / d s at one state (d,), delays forgotten: sum A_k + sum B_k diag G'(s)   (C10, tau_0 = 0)."""
        slope = to_numpy(self.activation.slope(as_like(s, self.phi)))
        total = np.zeros((self.width, self.width))
        for term in self.state:
            total += to_numpy(term.dense())
        for term in self.readout:
            total += to_numpy(term.dense()) * slope
        return total


def _terms(kind: str, terms: Any) -> list[Term]:
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
        check = check_number if kind == "input" else check_nonnegative
        checked.append(Term(matrix, check(f"{kind}[{k}] delay", delay)))
    delays = [term.delay for term in checked]
    if len(set(delays)) < len(delays):
        raise ValueError(f"{kind}: expected distinct delays, got {delays}; add the matrices that share a delay")
    return checked
