"""An ordinary network equation as arrays alone, for methods that need no function of the user's.  Uses: C9."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.terms import Term
from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.core.signals.data import InputData, input_data
from ode2rnn.kernels.elementwise.codes import IDENTITY, TANH, activation_code
from ode2rnn.solvers.explicit.packing import pack_pair
from ode2rnn.solvers.problem import Problem

NONE = np.zeros((0, 0))
WIDEST_CIRCULANT = 256  # beyond this a circulant product by Fourier transform is faster than its matrix


class Network(NamedTuple):
    """ds/dt = A s + B G(s) + C X(t) + phi.

    Attributes:
        code: the activation, by its number in kernels.elementwise.codes.
        A, B: matrices (d, d), or (0, 0) where there is none.
        phi: (d,).
        linear, columns: A and B as solvers.explicit.packing packs them.
        readout: whether there is a B.
        bound: no eigenvalue of the Jacobian is larger, in absolute value.
        C: the input matrices side by side, (d, M), which take X of ``data``.
        data: the input on the segments of the problem.
    """

    code: int
    A: np.ndarray
    B: np.ndarray
    phi: np.ndarray
    linear: np.ndarray
    columns: tuple[int, int]
    readout: bool
    bound: float
    C: np.ndarray
    data: InputData


_Arrays = tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, int], bool, float]


class _Kept(NamedTuple):
    """What a Network takes from the model, whose arrays are ``parts``, and their bytes: one written into is new."""

    parts: list[np.ndarray]
    key: bytes
    arrays: _Arrays
    C: np.ndarray


_KEPT: WeakKeyDictionary[AdditiveModel, _Kept] = WeakKeyDictionary()


def as_network(problem: Problem) -> Network | None:
    """The problem as arrays; None with delays, torch, an activation of the user's own or an input that is no data."""
    if "network" not in problem.facts:
        problem.facts["network"] = _as_network(problem)
    return problem.facts["network"]


def _as_network(problem: Problem) -> Network | None:
    if not problem.is_additive or problem.model.delays or is_torch(problem.s0):
        return None
    model = problem.additive
    kept = _kept(model)
    if kept is None:
        return None
    if len(problem.points):
        edges = np.concatenate([[problem.span[0]], problem.points, [problem.span[1]]])
    else:
        edges = np.array(problem.span)
    delays = tuple(term.delay for term in model.input)
    data = input_data(problem.x, delays, edges, model.input_width, problem.s0.shape[:-1])
    if data is None:
        return None
    return Network(*kept.arrays, kept.C if data.pieces.shape[-1] else kept.C[:, :0], data)


def _kept(model: AdditiveModel) -> _Kept | None:
    kept = _KEPT.get(model)
    if kept is not None:
        parts = kept.parts
    else:
        parts = [*(term.entries for term in (*model.state, *model.readout, *model.input)), model.phi]
    key = b"".join([part.tobytes() for part in parts])
    if kept is None or kept.key != key:
        arrays = _arrays(model)
        if arrays is None:
            return None
        wide = [np.zeros((model.width, 0)), *(term.dense() for term in model.input)]
        C = np.ascontiguousarray(np.concatenate(wide, axis=1))
        kept = _KEPT[model] = _Kept(parts, key, arrays, C)
    return kept


def _arrays(model: AdditiveModel) -> _Arrays | None:
    state, readout = (model.state or (None,))[0], (model.readout or (None,))[0]
    code = TANH if readout is None else activation_code(model.activation)
    terms = [term for term in (state, readout) if term is not None]
    if code is None or (model.width > WIDEST_CIRCULANT and any(term.entries is not term.matrix for term in terms)):
        return None
    A, B = (NONE if term is None else np.ascontiguousarray(term.dense()) for term in (state, readout))
    if code == IDENTITY and B.size:
        A, B, code = (A + B if A.size else B), NONE, TANH
    linear, *columns = pack_pair(A, B, model.width)
    bound = norm(state) + norm(readout)  # no registered activation is steeper than 1
    return code, A, B, model.phi, linear, (columns[0], columns[1]), B.size > 0, bound


def norm(term: Term | None) -> float:
    """The Frobenius norm of the matrix of a term; 0 for none."""
    if term is None:
        return 0.0
    entries = to_numpy(term.dense()).ravel()
    with np.errstate(over="ignore"):  # infinite is a bound, too
        return float(entries @ entries) ** 0.5
