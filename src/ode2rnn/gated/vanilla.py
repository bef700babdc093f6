"""The Vanilla LSTM.

Home of: L1, L2, L3, L4, L5, L6.  Source: "The Vanilla LSTM Network Mechanism in Detail".

L1  alpha_cu[n] = W_xcu x[n] + W_scu s[n-1] + W_vcu v[n-1] + b_cu      g_cu = G_c(alpha_cu)      update gate
L2  alpha_cs[n] = W_xcs x[n] + W_scs s[n-1] + W_vcs v[n-1] + b_cs      g_cs = G_c(alpha_cs)      state gate
L3  alpha_du[n] = W_xdu x[n] +                W_vdu v[n-1] + b_du      u    = G_d(alpha_du)      data update candidate
L4  s[n] = g_cs[n] * s[n-1] + g_cu[n] * u[n]                           r[n] = G_d(s[n])
L5  alpha_cr[n] = W_xcr x[n] + W_scr s[n]   + W_vcr v[n-1] + b_cr      g_cr = G_c(alpha_cr)      readout gate
L6  v[n] = g_cr[n] * r[n]

G_c is the logistic sigmoid, G_d the hyperbolic tangent, if not told otherwise. The common names: cs forget gate, cu
input gate, cr output gate, du candidate; s cell state, v hidden state. The tick as code stands in `lstm.py`, beside its
tangent and its cotangent: it is that of the Augmented LSTM with every extension off.
"""

from __future__ import annotations

from dataclasses import dataclass

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array
from ode2rnn.gated.cell import check_weights
from ode2rnn.gated.lstm import LSTMCell

LETTERS = (
    *("W_xcu", "W_scu", "W_vcu", "b_cu"),
    *("W_xcs", "W_scs", "W_vcs", "b_cs"),
    *("W_xdu", "W_vdu", "b_du"),
    *("W_xcr", "W_scr", "W_vcr", "b_cr"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class VanillaLSTM(LSTMCell):
    """s[n] = g_cs[n] * s[n-1] + g_cu[n] * u[n],   v[n] = g_cr[n] * G_d(s[n])   (L1 to L6).

    Fifteen groups of parameters, by letter. Without peepholes it is torch.nn.LSTM and the LSTM of Keras.

    Args:
        W_xcu, W_xcs, W_xdu, W_xcr: input weights, (d, m).
        W_scu, W_scs, W_scr: peepholes, (d, d); (d,) for diagonal ones; None for none.
        W_vcu, W_vcs, W_vdu, W_vcr: weights of the readout v[n-1], (d, d).
        b_cu, b_cs, b_du, b_cr: biases, (d,).
        dt: sampling step dT, in the caller's unit of time.
        activation, recurrent_activation: G_d and G_c, registered names or Activations.

    For d = 1 numbers stand for matrices and vectors. `run` takes s[-1] (then v[-1] = 0), or an LSTMState (s, v);
    its trajectory has s[n], and v[n] as r.

    Raises:
        ValueError: shapes that do not fit, NaN, dt <= 0, an unknown activation.

    Example:
        >>> from ode2rnn import run
        >>> zero = dict.fromkeys(["W_vcu", "W_vcs", "W_vdu", "W_vcr", "W_xcu", "W_xcs", "W_xcr", "b_cu", "b_du"], 0.0)
        >>> cell = VanillaLSTM(**zero, W_xdu=1.0, b_cs=40.0, b_cr=40.0)  # both gates open: g_cs = g_cr = 1
        >>> run(cell, [1.0, 0.0, 0.0]).s.ravel()  # tanh(1) / 2, kept
        array([0.38079708, 0.38079708, 0.38079708])
    """

    W_xcu: Array
    W_scu: Array | None = None
    W_vcu: Array
    b_cu: Array
    W_xcs: Array
    W_scs: Array | None = None
    W_vcs: Array
    b_cs: Array
    W_xdu: Array
    W_vdu: Array
    b_du: Array
    W_xcr: Array
    W_scr: Array | None = None
    W_vcr: Array
    b_cr: Array
    dt: float = 1.0
    activation: str | Activation = "tanh"
    recurrent_activation: str | Activation = "sigmoid"

    def __post_init__(self) -> None:
        self._settle(check_weights({name: getattr(self, name) for name in LETTERS}))
