"""The member of the additive model behind the RNN.

Home of: C9.  Source: "The Roots of RNN".
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.terms import Terms
from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import check_array, check_nonnegative, check_shape, is_torch


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

    def __init__(
        self,
        A: ArrayLike | Circulant,
        B: ArrayLike | Circulant,
        C: ArrayLike | None,
        phi: ArrayLike | None,
        tau: float = 0.0,
        activation: str | Activation = "tanh",
    ) -> None:
        delay = check_nonnegative("tau", tau)
        like = next((a for a in (A, B, C, phi) if is_torch(a)), None)
        d: int | str = "d"
        for name, matrix in (("A", A), ("B", B), ("C", C)):
            if name == "C" and matrix is None:
                continue
            if not isinstance(matrix, Circulant):
                matrix = check_array(name, matrix, like)  # finite in the precision of the others, too
                matrix = matrix.reshape((1, 1)) if matrix.ndim == 0 else matrix
            d = int(check_shape(name, matrix, (d, "m" if name == "C" else d)).shape[0])
        inputs = [] if C is None else [(C, 0.0)]
        super().__init__([(A, 0.0)], [(B, delay)], inputs, phi, activation)

    @property
    def A(self) -> Any:
        """Matrix of the state, an array (d, d) or a Circulant."""
        return self.state[0].matrix

    @property
    def B(self) -> Any:
        """Matrix of the readout, an array (d, d) or a Circulant."""
        return self.readout[0].matrix

    @property
    def C(self) -> Any:
        """Matrix of the input, an array (d, m) or a Circulant; None without input."""
        return self.input[0].matrix if self.input else None

    @property
    def tau(self) -> float:
        """Delay of the readout."""
        return self.readout[0].delay

    def rebuilt(self, state: Terms, readout: Terms, input: Terms, phi: ArrayLike | None) -> ContinuousRNN:
        """A model of these terms, one of each kind, with the activation of this one."""
        (A, _), (B, tau) = state[0], readout[0]
        return ContinuousRNN(A, B, input[0][0] if input else None, phi, tau, self.activation)
