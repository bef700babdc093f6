"""The paper as a list of claims, each with the check that decides it, in the order of the derivation."""

from ode2rnn.derivation.claim import Claim, Experiment, Finding
from ode2rnn.derivation.continuous_time import CONTINUOUS
from ode2rnn.derivation.discretization import DISCRETIZATION
from ode2rnn.derivation.gradients import GRADIENTS
from ode2rnn.derivation.lstm import LSTM
from ode2rnn.derivation.retiming import CONTINUOUS_LSTM
from ode2rnn.derivation.transition import TRANSITION
from ode2rnn.derivation.unrolling import UNROLLING

CLAIMS: tuple[Claim, ...] = (*CONTINUOUS, *DISCRETIZATION, *UNROLLING, *GRADIENTS, *TRANSITION, *LSTM, *CONTINUOUS_LSTM)

__all__ = ["CLAIMS", "Claim", "Experiment", "Finding"]
