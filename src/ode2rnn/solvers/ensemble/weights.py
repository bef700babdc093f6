"""The matrices of an ensemble as the blocks take them: one set for all trajectories, or one for each model.

Uses: C7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import is_torch
from ode2rnn.core.systems.flow import Flow
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.kernels.ensembles.records import EnsembleNetwork
from ode2rnn.solvers.problem import Problem


class EnsembleWeights(EnsembleNetwork):
    """The network with its right-hand side."""

    def slope(self, s: np.ndarray, r: np.ndarray, X: np.ndarray | None = None) -> np.ndarray:
        """The right-hand side without phi (N, d), of states, readouts (N, d) and inputs (N or 1, M)."""
        d = self.C.shape[-2]
        rate = self._apply(self.AB[..., :d], s) + self._apply(self.AB[..., d:], r)
        return rate if X is None else rate + self._apply(self.C, np.broadcast_to(X, (len(s), X.shape[1])))

    def _apply(self, matrices: np.ndarray, values: np.ndarray) -> np.ndarray:
        if matrices.ndim == 2:
            return values @ matrices.T
        own = values.reshape((len(matrices), self.each, -1))
        return (own @ matrices.swapaxes(1, 2)).reshape((len(values), -1))


def weights(problem: Problem) -> EnsembleWeights | None:
    """Those of an ordinary equation, or of the members; None with an activation of the user's own."""
    model, d = problem.additive, problem.model.width
    code = activation_code(model.activation)
    if code is None:
        return None
    models, count = problem.members or (model,), math.prod(problem.s0.shape[:-1])
    AB = np.zeros((len(models), d, 2 * d))
    for n, own in enumerate(models):
        for k, terms in enumerate((own.state, own.readout)):
            if terms:
                AB[n, :, k * d : (k + 1) * d] = terms[0].dense()
    if problem.x is None or not model.input:
        C = np.zeros((len(models), d, 0))
    else:
        C = np.array([np.concatenate([term.dense() for term in own.input], axis=1) for own in models])
    phi = np.array([own.phi for own in models])
    if not problem.members:
        return EnsembleWeights(code, AB[0], C[0], phi[0], count)
    return EnsembleWeights(code, AB, C, phi, count // len(models))


def alike(models: Sequence[Flow]) -> bool:
    """Whether models are ordinary equations in NumPy which differ in their matrices and biases alone."""
    first = models[0]
    if not isinstance(first, AdditiveModel):
        return False
    inputs = [(term.delay, term.matrix.shape) for term in first.input]
    return all(
        isinstance(model, AdditiveModel)
        and model.activation is first.activation
        and not is_torch(model.phi)
        and not any(term.delay for term in (*model.state, *model.readout))
        and [(term.delay, term.matrix.shape) for term in model.input] == inputs
        for model in models
    )
