"""The member of the additive model behind the RNN.

Home of: C9.  Source: "The Roots of RNN".
"""

from __future__ import annotations

from typing import Any

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, check_array, check_nonnegative


class ContinuousRNN(AdditiveModel):
    """ds/dt = A s(t) + B r(t - tau) + C x(t) + phi,  r = G(s)   (C9).

    Args:
        A, B: matrices (d, d), or Circulant (C8).
        C: matrix (d, m), or None for a network without input.
        phi: bias (d,); None for zero.
        tau: delay of the readout, >= 0, in the unit of time of the rates A; 0 makes it an ordinary equation.
        activation: G, a registered name or an Activation of your own.

    For d = 1 numbers stand for matrices and vectors. Torch tensors make a model that gradients flow through.

    Raises:
        ValueError: shapes that do not fit, NaN, a negative delay, an unknown activation.

    Example:
        Mackey-Glass is one of these:

        >>> G = Activation("mackey_glass", lambda s: s / (1 + s**10), lambda s: (1 - 9*s**10) / (1 + s**10)**2)
        >>> ContinuousRNN(A=-0.1, B=0.2, C=None, phi=None, tau=17.0, activation=G).delays
        (17.0,)
    """

    A: Array | Circulant
    B: Array | Circulant
    C: Array | Circulant | None
    tau: float

    def __init__(
        self, A: Any, B: Any, C: Any, phi: Any, tau: float = 0.0, activation: str | Activation = "tanh"
    ) -> None:
        delay = check_nonnegative("tau", tau)
        d = None
        for name, matrix in (("A", A), ("B", B), ("C", C)):
            if isinstance(matrix, Circulant) or (name == "C" and matrix is None):
                continue
            shape = tuple(check_array(name, matrix).shape) or (1, 1)
            d = d or shape[0]
            columns = shape[1] if name == "C" and len(shape) == 2 else d
            if shape != (d, columns):
                raise ValueError(f"{name}: expected shape ({d}, {'m' if name == 'C' else d}), got {shape}")
        super().__init__(
            state=[(A, 0.0)],
            readout=[(B, delay)],
            input=[] if C is None else [(C, 0.0)],
            phi=phi,
            activation=activation,
        )
        matrices = [t.matrix for t in (*self.state, *self.readout, *self.input)]
        self.__dict__.update(zip("ABC", [*matrices, None], strict=False), tau=delay)
