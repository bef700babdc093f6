"""The arrays of a continuous model by name, and the model with others in their place.

Uses: C7.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.core.flow import Flow

KINDS = ("state", "readout", "input")


def weights_of_flow(model: AdditiveModel | Flow) -> dict[str, Array]:
    """The matrices of a model's terms, "state[0]" and so on (a Circulant's kernel), and "phi"; a flow's parameters.

    Example:
        >>> list(weights_of_flow(ContinuousRNN(A=-1.0, B=0.5, C=1.0, phi=0.1)))
        ['state[0]', 'readout[0]', 'input[0]', 'phi']
    """
    if not isinstance(model, AdditiveModel):
        return {name: value if is_torch(value) else np.array(value) for name, value in model.parameters.items()}
    found = {f"{kind}[{k}]": t.entries for kind in KINDS for k, t in enumerate(getattr(model, kind))}
    return {**found, "phi": model.phi}


def rebuilt_flow(model: AdditiveModel | Flow, values: Mapping[str, Array]) -> AdditiveModel | Flow:
    """The model with these arrays, named as by :func:`weights_of_flow`, in place of its own."""
    if not isinstance(model, AdditiveModel):
        for name in model.parameters:
            if name in values:
                model = model.parameter(name)(values[name])
        return model
    terms = {
        kind: [
            (Circulant(new) if isinstance(t.matrix, Circulant) else new, t.delay)
            for k, t in enumerate(getattr(model, kind))
            for new in [values.get(f"{kind}[{k}]", t.entries)]
        ]
        for kind in KINDS
    }
    phi = values.get("phi", model.phi)
    if isinstance(model, ContinuousRNN):
        C = terms["input"][0][0] if terms["input"] else None
        return ContinuousRNN(terms["state"][0][0], terms["readout"][0][0], C, phi, model.tau, model.activation)
    return AdditiveModel(**terms, phi=phi, activation=model.activation)
