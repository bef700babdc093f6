"""What a flow says of its rate where its units relax each on its own.  Uses: K1."""

from __future__ import annotations

from typing import NamedTuple

from ode2rnn.core.arrays import Array


class Relaxation(NamedTuple):
    """Units that relax each on its own, ds/dt = -kappa_s s + kappa_u u: log kappa_s, log kappa_u and u, (..., d)."""

    log_s: Array
    log_u: Array
    u: Array
