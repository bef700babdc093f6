"""ode2rnn: the recurrent network as a delay differential equation, sampled, step by step.

The names below follow the derivation. Heavy libraries (torch, numba, matplotlib) are imported only when used.
"""

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core import signals
from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.system import System, run
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.integrate import integrate

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AdditiveModel",
    "Circulant",
    "ContinuousRNN",
    "SimulationError",
    "System",
    "Trajectory",
    "integrate",
    "run",
    "signals",
]
