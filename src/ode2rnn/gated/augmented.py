"""The Augmented LSTM: the Vanilla LSTM with three extensions, each on its own switch.

Home of: X1, X2, X3.  Source: "Extensions to the Vanilla LSTM Network".

X1  input context windows: every W_x? x[n] becomes xi_?[n] = sum_l W_x?(l) x[n+l] over l = -behind .. ahead;
    x = 0 outside the sequence
X2  external input gate: alpha_cx[n] = xi_cx[n] + W_scx s[n-1] + W_vcx v[n-1] + b_cx,   g_cx = G_c(alpha_cx),
    alpha_du[n] = g_cx[n] * xi_du[n] + W_vdu v[n-1] + b_du
X3  recurrent projection: q[n] = g_cr[n] * r[n] (d),   v[n] = W_qdr q[n] (d_v)

The rest is L1 to L6. With a window of x[n] alone, no gate g_cx and no W_qdr it is the Vanilla LSTM, to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, check_count, concatenate, stack
from ode2rnn.gated.cell import check_weights
from ode2rnn.gated.lstm import LSTMCell
from ode2rnn.gated.vanilla import LETTERS as VANILLA_LETTERS
from ode2rnn.gated.vanilla import VanillaLSTM

EXTERNAL = ("W_xcx", "W_scx", "W_vcx", "b_cx")
LETTERS = (*VANILLA_LETTERS, *EXTERNAL, "W_qdr")


@dataclass(frozen=True, eq=False, kw_only=True)
class AugmentedLSTM(LSTMCell):
    """The Vanilla LSTM that looks ahead (X1), gates its input (X2) and projects its readout (X3).

    Args:
        W_xcu, W_xcs, W_xdu, W_xcr: input weights (L, d, m), L = behind + 1 + ahead samples of x from n - behind on; a
            matrix (d, m) means L = 1.
        W_scu, W_scs, W_scr: peepholes, (d, d); (d,) for diagonal ones; None for none.
        W_vcu, W_vcs, W_vdu, W_vcr: weights of the readout v[n-1], (d, d_v); d_v = d without projection.
        b_cu, b_cs, b_du, b_cr: biases, (d,).
        W_xcx, W_scx, W_vcx, b_cx: those of the external input gate, which is there if b_cx is; W_scx is a peephole.
        W_qdr: projection (d_v, d), or None.
        dt: sampling step dT, in the caller's unit of time.
        behind: how many of the L samples come before x[n].
        activation, recurrent_activation: G_d and G_c, registered names or Activations.

    For d = 1 numbers stand for matrices and vectors. `run` takes s[-1] (then v[-1] = 0), or an LSTMState (s, v);
    its trajectory has s[n], and v[n] as r. A run that goes on from the state of another sees zeros in place of the
    inputs before it, and the end of a run zeros in place of those after it.

    Raises:
        ValueError: shapes that do not fit, an external gate of which a part is missing, NaN, dt <= 0, behind
            not below L, an unknown activation.

    Example:
        >>> from ode2rnn import run
        >>> zero = dict.fromkeys(["W_vcu", "W_vcs", "W_vdu", "W_vcr", "b_cu", "b_cs", "b_du", "b_cr"], 0.0)
        >>> gates = dict.fromkeys(["W_xcu", "W_xcs", "W_xcr"], [[[0.0]], [[0.0]]])
        >>> cell = AugmentedLSTM(**zero, **gates, W_xdu=[[[0.0]], [[1.0]]])  # the candidate sees x[n+1]
        >>> run(cell, [0.0, 1.0, 0.0]).s.ravel()
        array([0.38079708, 0.19039854, 0.09519927])
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
    W_xcx: Array | None = None
    W_scx: Array | None = None
    W_vcx: Array | None = None
    b_cx: Array | None = None
    W_qdr: Array | None = None
    dt: float = 1.0
    behind: int = 0
    activation: str | Activation = "tanh"
    recurrent_activation: str | Activation = "sigmoid"

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in LETTERS}
        missing = [name for name in EXTERNAL if given[name] is None and name != "W_scx"]
        if any(given[name] is not None for name in EXTERNAL) and missing:
            raise ValueError(f"{missing[0]}: expected it with the other weights of the external gate, got None")
        self._settle(check_weights(given, (*EXTERNAL, "W_qdr"), windows=True))
        object.__setattr__(self, "behind", check_count("behind", self.behind, 0))
        if self.behind >= self.context:
            raise ValueError(f"behind: expected less than L = {self.context}, got {self.behind}")

    @staticmethod
    def of(cell: VanillaLSTM, **extensions: Any) -> AugmentedLSTM:
        """The Vanilla LSTM ``cell`` as an Augmented LSTM, with every extension off but those given by letter."""
        return AugmentedLSTM(**{f.name: getattr(cell, f.name) for f in fields(cell)} | extensions)

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs before and after its own a tick sees."""
        return self.behind, self.context - 1 - self.behind

    @property
    def readout_width(self) -> int:
        """Number of readouts d_v."""
        return self.width if self.W_qdr is None else int(self.W_qdr.shape[0])

    def prepare(self, x: Array) -> Array:
        """The windows x[n-behind] .. x[n+ahead] as (N, ..., L, m), 0 outside the sequence; x itself where L = 1."""
        if self.context == 1:
            return x
        return stack([shifted(x, place - self.behind) for place in range(self.context)], axis=-2)

    def prepared_vjp(self, bar: Array) -> Array:
        """The cotangent of the inputs x (N, ..., m) from those of their windows (N, ..., L, m)."""
        if self.context == 1:
            return bar
        parts = [shifted(bar[..., place, :], self.behind - place) for place in range(self.context)]
        return sum(parts[1:], parts[0])


def shifted(x: Array, lead: int) -> Array:
    """x[n + lead] for n = 0 .. N-1, 0 outside the sequence."""
    if lead < 0:
        return concatenate([0 * x[:-lead], x[:lead]])
    return concatenate([x[lead:], 0 * x[:lead]])
