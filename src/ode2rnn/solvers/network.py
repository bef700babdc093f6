"""An ordinary network equation as arrays alone, for methods that need no function of the user's.  Uses: C9."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import is_torch
from ode2rnn.kernels.codes import IDENTITY, TANH, activation_code
from ode2rnn.kernels.inputs import InputData, input_data
from ode2rnn.kernels.panels import pack
from ode2rnn.solvers.problem import Problem

NONE = np.zeros((0, 0))
WIDEST_CIRCULANT = 256  # beyond this a circulant product by Fourier transform is faster than its matrix


class Network(NamedTuple):
    """ds/dt = A s + B G(s) + C X(t) + phi.

    Attributes:
        code: the activation, by its number in kernels.codes.
        A, B: matrices (d, d), or (0, 0) where there is none.
        C: the input matrices side by side, (d, M), which take X of ``data``.
        phi: (d,).
        linear, columns: A and B as kernels.panels packs them.
        readout: whether there is a B.
        data: the input on the segments of the problem.
    """

    code: int
    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    phi: np.ndarray
    linear: np.ndarray
    columns: tuple[int, int]
    readout: bool
    data: InputData | None = None


class _Kept(NamedTuple):
    """A model without input as arrays, and the bytes of the model's: a model that was written into is new."""

    key: bytes
    network: Network
    C: np.ndarray


_KEPT: WeakKeyDictionary[AdditiveModel, _Kept | None] = WeakKeyDictionary()


def as_network(problem: Problem) -> Network | None:
    """The problem as arrays; None with delays, torch, an activation of the user's own or an input that is no data."""
    if "network" not in problem.facts:
        problem.facts["network"] = _as_network(problem)
    return problem.facts["network"]


def _as_network(problem: Problem) -> Network | None:
    model = problem.model
    if model.delays or is_torch(problem.s0):
        return None
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
    return kept.network._replace(C=kept.C if data.pieces.shape[-1] else kept.network.C, data=data)


def _kept(model: AdditiveModel) -> _Kept | None:
    terms = (*model.state, *model.readout, *model.input)
    key = b"".join([term.entries.tobytes() for term in terms] + [model.phi.tobytes()])
    kept = _KEPT.get(model)
    if kept is None or kept.key != key:
        network = _without_input(model)
        if network is None:
            return None
        inputs = [np.asarray(term.dense()) for term in model.input]
        C = np.concatenate(inputs, axis=1) if inputs else network.C
        kept = _KEPT[model] = _Kept(key, network, C)
    return kept


def _without_input(model: AdditiveModel) -> Network | None:
    state, readout = (model.state or (None,))[0], (model.readout or (None,))[0]
    code = TANH if readout is None else activation_code(model.activation)
    terms = [term for term in (state, readout) if term is not None]
    if code is None or (model.width > WIDEST_CIRCULANT and any(term.entries is not term.matrix for term in terms)):
        return None
    A, B = (NONE if term is None else np.ascontiguousarray(term.dense()) for term in (state, readout))
    if code == IDENTITY and B.size:
        A, B, code = (A + B if A.size else B), NONE, TANH
    linear, *columns = pack(A, B, model.width)
    return Network(code, A, B, np.zeros((model.width, 0)), model.phi, linear, (columns[0], columns[1]), B.size > 0)
