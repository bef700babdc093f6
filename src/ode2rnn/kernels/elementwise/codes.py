"""Numbers that stand for the registered activations inside kernels.  Uses: C5."""

from __future__ import annotations

from ode2rnn.core.activations import ACTIVATIONS, Activation

IDENTITY, TANH, SIGMOID, RELU, SOFTPLUS = range(5)
CODES = {"identity": IDENTITY, "tanh": TANH, "sigmoid": SIGMOID, "relu": RELU, "softplus": SOFTPLUS}


def activation_code(activation: Activation) -> int | None:
    """The number of a registered activation; None for one of the user's own, which has no kernel.

    Example:
        >>> activation_code(ACTIVATIONS["tanh"])
        1
    """
    return CODES.get(activation.name) if ACTIVATIONS.get(activation.name) is activation else None
