"""What the step-size studies are tried on."""

import numpy as np

from ode2rnn import Activation, ContinuousRNN, signals

KINDS = ("final", "maximum", "dense")
SPAN = (0.25, 2.25)
SINES = signals.Sine([1.0, 0.5], [1.0, 2.0], [0.0, 0.3])
CUBE = Activation("cube", lambda s: s**3, lambda s: 3 * s**2)


def past(t):
    """A history that is not constant: a recursion that does not read it loses its order."""
    return np.stack([np.cos(t + k) for k in range(4)], axis=-1)


def network(tau, seed=1):
    rng = np.random.default_rng(seed)
    A = -np.eye(4) + 0.2 * rng.normal(size=(4, 4))
    B, C = 0.7 * rng.normal(size=(4, 4)), rng.normal(size=(4, 2))
    return ContinuousRNN(A, B, C, 0.3 * rng.normal(size=4), tau)
