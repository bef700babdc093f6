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
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.continuous import parameters
from ode2rnn.continuous.terms import KINDS, Readout, Term, Terms, check_terms
from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import Array, as_like, check_array, check_shape, is_torch, to_numpy
from ode2rnn.core.systems.flow import Flow


class AdditiveModel(Flow):
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
        state, readout, input: tuples of Term (matrix, delay); ``readout(s)`` is r = G(s).
        phi, activation, width (d), input_width (m; 0 without input).
        delays: the positive delays of states and readouts, increasing: empty for an ordinary equation.
        input_delays: those of the input terms, increasing.

    Raises:
        ValueError: no term at all, shapes that do not fit, NaN, a repeated delay, a negative one of a state or
            readout, an unknown activation.

    Example:
        >>> model = AdditiveModel(state=[(-1.0, 0.0)], readout=[(0.5, 1.0), (0.25, 2.0)], phi=[0.1])
        >>> model.width, model.input_width, model.delays
        (1, 0, (1.0, 2.0))
    """

    state: tuple[Term, ...]
    readout: Readout  # the terms, and as a function r = G(s)
    input: tuple[Term, ...]
    phi: Array
    activation: Activation
    input_delays: tuple[float, ...]
    parameters: Mapping[str, float] = MappingProxyType({})  # its numbers are entries of arrays: see `parameter`

    def __init__(
        self,
        state: Sequence[tuple[Any, float]] = (),
        readout: Sequence[tuple[Any, float]] = (),
        input: Sequence[tuple[Any, float]] = (),
        phi: ArrayLike | None = None,
        activation: str | Activation = "tanh",
    ) -> None:
        kinds = {
            "state": check_terms("state", state),
            "readout": check_terms("readout", readout),
            "input": check_terms("input", input),
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
        fields["readout"] = Readout.of(fields["readout"], fields["activation"])
        inputs = fields["input"]
        fields["width"], fields["input_width"] = d, int(inputs[0].matrix.shape[1]) if inputs else 0
        fields["delays"] = tuple(sorted({t.delay for t in (*fields["state"], *fields["readout"]) if t.delay > 0}))
        fields["input_delays"] = tuple(sorted({t.delay for t in inputs}))
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: build a new one instead of setting {name!r}")

    def __repr__(self) -> str:
        kinds = ", ".join(f"{kind}={[(tuple(t.matrix.shape), t.delay) for t in getattr(self, kind)]}" for kind in KINDS)
        return f"{type(self).__name__}({kinds}, activation={self.activation.name!r})"

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
        for kind in KINDS:
            twin.__dict__[kind] = tuple(term.like(array) for term in getattr(self, kind))
        twin.__dict__["readout"] = Readout.of(twin.readout, self.activation)
        twin.__dict__.pop("_matrices", None)
        twin.__dict__["phi"] = as_like(self.phi, array)
        self.activation.check_for(array)
        return twin

    def tensors(self) -> tuple[Array, ...]:
        """The torch tensors the model is built from (its kernels, for circulant terms)."""
        arrays = [term.entries for term in (*self.state, *self.readout, *self.input)]
        return tuple(a for a in (*arrays, self.phi) if is_torch(a))

    # -- the rate, its tangent and its cotangent

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """ds/dt (..., d), the right-hand side of C7, which does not depend on t by itself.

        Args:
            t: the time.
            s: s(t), (..., d).
            past: past[k] = s(t - delays[k]), each (..., d).
            x: the input (..., m), or None for zero: every input term sees it. Where an input that changes has a delay,
                `integrate` looks it up for each term.

        Raises:
            ValueError: a past of another length than ``delays``.
        """
        seen = self._seen(s, past)
        total: Any = None
        for value, A, B in zip(seen, *self._matrices, strict=True):
            if A is not None:
                total = A.apply(value) if total is None else total + A.apply(value)
            if B is not None:
                part = B.apply(self.activation.value(value))
                total = part if total is None else total + part
        total = self.phi + (0.0 * s if total is None else total)
        if x is not None:
            for term in self.input:
                total = total + term.apply(x)
        return total

    def rate_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """The tangent of the rate: sum A_k ds(t - tau_k) + sum B_k (G'(s(t - tau_k)) * ds(t - tau_k))."""
        total: Any = None
        # without d_past the past stands still
        for value, along, A, B in zip(self._seen(s, past), (ds, *d_past), *self._matrices, strict=False):
            if A is not None:
                total = A.apply(along) if total is None else total + A.apply(along)
            if B is not None:
                part = B.apply(self.activation.slope(value) * along)
                total = part if total is None else total + part
        return 0.0 * s * ds if total is None else total

    def rate_vjp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, bar: Array
    ) -> tuple[Array, list[Array]]:
        """The cotangents of s and of the past: A_k^T bar + G'(s(t - tau_k)) * (B_k^T bar) at each delay."""
        bars = []
        for value, A, B in zip(self._seen(s, past), *self._matrices, strict=True):
            total = 0.0 * value
            if A is not None:
                total = total + A.transposed().apply(bar)
            if B is not None:
                total = total + self.activation.slope(value) * B.transposed().apply(bar)
            bars.append(total)
        return bars[0], bars[1:]

    @cached_property
    def _matrices(self) -> tuple[list[Term | None], list[Term | None]]:
        """The terms of states and of readouts at the delay 0 and at each of ``delays``; None where there is none."""
        times = (0.0, *self.delays)
        by_delay = [{term.delay: term for term in terms} for terms in (self.state, self.readout)]
        return [by_delay[0].get(t) for t in times], [by_delay[1].get(t) for t in times]

    def _seen(self, s: Array, past: Sequence[Array]) -> tuple[Array, ...]:
        """s(t), and s at each of the delays."""
        if len(past) != len(self.delays):
            raise ValueError(f"past: expected s(t - tau) for the delays {self.delays}, got {len(past)} arrays")
        return s, *past

    # -- what a fast path or an analysis wants to know

    @property
    def linear(self) -> np.ndarray | None:
        """The undelayed matrix A (d, d), where no readout is undelayed: then it is d rate / d s; else None."""
        if self.undelayed("readout") is not None:
            return None
        term = self.undelayed("state")
        return np.zeros((self.width, self.width)) if term is None else to_numpy(term.dense())

    @property
    def depends_on_time(self) -> bool:
        """False: time enters by the input alone."""
        return False

    def settled(self) -> AdditiveModel:
        """The model with every delay 0, which rests where this one does; terms of one kind are added up."""
        if not any((*self.delays, *self.input_delays)):
            return self
        added: dict[str, list[tuple[Any, float]]] = {kind: [] for kind in KINDS}
        for kind in KINDS:
            first, *others = getattr(self, kind) or (None,)
            if first is not None:
                total = sum((t.dense() for t in others), first.dense()) if others else first.matrix
                added[kind] = [(total, 0.0)]
        return self.rebuilt(**added, phi=self.phi)

    def weights(self) -> dict[str, Array]:
        """The matrices of the terms, "state[0]" and so on (a Circulant's kernel), and "phi".

        Example:
            >>> list(AdditiveModel([(-1.0, 0.0)], [(0.5, 1.0)]).weights())
            ['state[0]', 'readout[0]', 'phi']
        """
        found = {f"{kind}[{k}]": t.entries for kind in KINDS for k, t in enumerate(getattr(self, kind))}
        return {**found, "phi": self.phi}

    def with_weights(self, values: Mapping[str, Any]) -> AdditiveModel:
        """The model with these arrays in place of its own."""
        terms = {
            kind: [t.holding(values.get(f"{kind}[{k}]", t.entries)) for k, t in enumerate(getattr(self, kind))]
            for kind in KINDS
        }
        return self.rebuilt(**terms, phi=values.get("phi", self.phi))

    def tied(self, tau: float) -> AdditiveModel:
        """The network whose readout comes tau late (D2), which tends to this one for tau -> 0.

        Raises:
            ValueError: a model with delays of its own, or without an undelayed readout.
        """
        if self.delays or self.undelayed("readout") is None:
            raise ValueError(
                "delay: 'tied' sets tau_0 = dt for every dt and takes the ordinary equation, a model with an undelayed"
                f" readout and no delay; got delays {self.delays}; use tau=0, or delay='fixed'"
            )
        late = [(term.matrix, tau) for term in self.readout]
        return AdditiveModel(self.state, late, self.input, self.phi, self.activation)

    def rebuilt(self, state: Terms, readout: Terms, input: Terms, phi: ArrayLike | None) -> AdditiveModel:
        """A model of these terms, with the activation of this one."""
        return AdditiveModel(state, readout, input, phi, self.activation)

    def parameter(self, name: str) -> Callable[[float], AdditiveModel]:
        """The function that takes a value to the model in which the number ``name`` has it.

        Names, indices from 0 on: "tau", the delay of the readout, or the only delay there is; "tau[k]", the k-th of
        ``delays``, in all terms that have it; "gain", a factor on every readout matrix; "A[i, j]", "B[i, j]",
        "C[i, j]", an entry of the first matrix of states, readouts, inputs; "state[k][i, j]" and so on, of the k-th;
        "phi[i]".

        Raises:
            ValueError: no such number in this model.

        Example:
            >>> AdditiveModel([(-1.0, 0.0)], [(2.0, 1.0)]).parameter("tau")(3.0).delays
            (3.0,)
        """
        return parameters.changed(self, name)

    def value_of(self, name: str) -> float:
        """The number ``name`` as it is, named as for :meth:`parameter`; for "gain" 1."""
        return parameters.value_of(self, name)


def as_additive(name: str, model: object) -> AdditiveModel:
    """``model`` if it is an AdditiveModel.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"{name}: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}")
    return model
