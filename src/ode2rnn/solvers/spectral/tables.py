"""What the compiled spectral method needs of a model, as arrays, computed once for a model and a length of panel."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.core.dense import barycentric_weights
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.kernels.spectral.records import DelayEquation
from ode2rnn.solvers.explicit.network import WIDEST_CIRCULANT
from ode2rnn.solvers.spectral.collocation import Nodes, radau_nodes
from ode2rnn.solvers.spectral.modes import fastest_growth, real_modes

# Up to this width a matrix without a good eigenbasis is served by one operator of all components.
WIDEST_DENSE = 32
OPERATOR_BYTES = 2**26  # operators that are kept for one model


class Tables:
    """The model in the coordinates z of the modes of A, s = V z, and the operators of panels by their length.

    Attributes:
        key: the bytes of the model's arrays; a model whose arrays were written into is computed anew.
        code: the number of the activation.
        basis, terms: V (empty where it is 1) and the matrices of the delayed terms.
        delays, warped: of the delayed terms.
        to_modes, bias: input matrices side by side (d, m) and phi (d,).
        lengths, known: the lengths of panels for which there are operators: real, turned, dense.
    """

    def __init__(
        self, model: AdditiveModel, key: list[bytes], k: int, A: np.ndarray, values: np.ndarray, V: np.ndarray | None
    ) -> None:
        self.key, self.code = key, activation_code(model.activation)
        d = model.width
        self.nodes: Nodes = radau_nodes(k)
        self.weights = barycentric_weights(self.nodes.theta)
        self.tail = np.ascontiguousarray(self.nodes.to_legendre[-2:])
        self.inverse = None if V is None else np.linalg.inv(V)
        self.basis = np.zeros((0, 0)) if V is None else np.ascontiguousarray(V)
        self._A = A if values.size == 0 else None
        self._real = values[values.imag == 0].real
        self._pairs = values[values.imag > 0]
        delayed = [(t.delay, warped, t) for warped, ts in ((False, model.state), (True, model.readout)) for t in ts]
        self.terms_of = sorted((entry for entry in delayed if entry[0] > 0), key=lambda entry: entry[0])
        self.matrices = [self._in_modes(term.dense()) for _, _, term in self.terms_of]
        self.terms = np.array(self.matrices, dtype=float).reshape((-1, d, d))
        self.growth = fastest_growth(A)
        self.delays = np.array([delay for delay, _, _ in self.terms_of])
        self.warped = np.array([warped for _, warped, _ in self.terms_of], dtype=np.bool_)
        inputs = [self._in_modes(term.dense()) for term in model.input]
        self.to_modes = np.ascontiguousarray(np.concatenate(inputs, axis=1)) if inputs else np.zeros((d, 0))
        self.bias = np.array(self._in_modes(model.phi[:, None])[:, 0])
        self.lock = threading.Lock()
        self.real: np.ndarray
        self.turned: np.ndarray
        self.dense: np.ndarray
        self.forget()

    def _in_modes(self, matrix: np.ndarray) -> np.ndarray:
        return matrix if self.inverse is None else self.inverse @ matrix

    def forget(self) -> None:
        """Drop all operators; the arrays that a run is using stay as they are."""
        k, d = len(self.nodes.integral), len(self.bias)
        size = 8 * k * (k + 1) * (d if self._A is None else d * d)
        self.lengths = np.zeros(int(np.clip(OPERATOR_BYTES // size, 8, 256)))
        self.known = self._built = 0
        self._reserve(4)

    def _reserve(self, number: int) -> None:
        k = len(self.nodes.integral)
        if self._A is not None:
            d = len(self._A)
            shapes = [(0, 0, 0), (0, 0, 0, 0), (number, d + d * k, d * k)]
        else:
            pairs = len(self._pairs)
            size = k * (k + 1)
            shapes = [(number, len(self._real) + pairs, size), (number, pairs, 2, size), (0, 0, 0)]
        arrays = [np.empty(shape) for shape in shapes]
        if self._built:
            for new, old in zip(arrays, (self.real, self.turned, self.dense), strict=True):
                new[: len(old)] = old
        self.real, self.turned, self.dense = arrays
        self._room = number

    def build(self) -> None:
        """The operators of the lengths that :func:`ode2rnn.kernels.spectral.plan.plan` has added."""
        while self._built < self.known:
            if self._built == self._room:
                self._reserve(min(2 * self._room, len(self.lengths)))
            h, n = self.lengths[self._built], self._built
            if self._A is not None:
                self.dense[n] = _whole(self._A, h, self.nodes.integral)
            else:
                reals = len(self._real)
                self.real[n, :reals] = _responses(self._real, h, self.nodes.integral)
                if len(self._pairs):
                    pairs = _responses(self._pairs.conj(), h, self.nodes.integral)
                    self.real[n, reals:] = pairs.real
                    self.turned[n, :, 0], self.turned[n, :, 1] = pairs.imag, -pairs.imag
            self._built += 1

    def equation(self) -> DelayEquation:
        """All of it as the kernel takes it."""
        assert self.code is not None
        return DelayEquation(
            self.code, self.terms, self.delays, self.warped, self.to_modes, self.bias, self.basis,
            self.real, self.turned, self.dense,
        )  # fmt: skip


def _responses(values: np.ndarray, h: float, integral: np.ndarray) -> np.ndarray:
    """(modes, (1 + K) K): how the nodes respond to the start value and to the forcing at each node."""
    k = len(integral)
    solved = np.linalg.inv(np.eye(k) - h * values[:, None, None] * integral)
    start = solved.sum(axis=2)[:, None]
    return np.concatenate([start, (solved @ (h * integral)).swapaxes(1, 2)], axis=1).reshape((len(values), (k + 1) * k))


def _whole(A: np.ndarray, h: float, integral: np.ndarray) -> np.ndarray:
    d, k = len(A), len(integral)
    solved = np.linalg.inv(np.eye(d * k) - h * np.kron(A, integral))
    start = solved @ np.kron(np.eye(d), np.ones((k, 1)))
    return np.concatenate([start, solved @ np.kron(np.eye(d), h * integral)], axis=1).T


_TABLES: WeakKeyDictionary[AdditiveModel, dict[int, Tables]] = WeakKeyDictionary()


def tables_of(model: AdditiveModel, k: int) -> Tables | None:
    """The tables of a NumPy model for panels of k nodes; None where the compiled method has no kernel for it."""
    if activation_code(model.activation) is None:
        return None
    terms = (*model.state, *model.readout, *model.input)
    if model.width > WIDEST_CIRCULANT and any(isinstance(term.matrix, Circulant) for term in terms):
        return None
    key = [term.entries.tobytes() for term in terms] + [model.phi.tobytes()]
    kept = _TABLES.setdefault(model, {})
    tables = kept.get(k)
    if tables is None or tables.key != key:
        term = model.undelayed("state")
        A = np.zeros((model.width, model.width)) if term is None else np.asarray(term.dense())
        modes = real_modes(A)
        if modes is None:
            if model.width > WIDEST_DENSE:
                return None
            modes = np.zeros(0), None
        tables = kept[k] = Tables(model, key, k, A, *modes)
    return tables
