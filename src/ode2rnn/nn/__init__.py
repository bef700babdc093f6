"""The recursions as layers of torch, with the shapes and the call of torch.nn's, and the paper's backward pass."""

from ode2rnn.nn.augmented import AugmentedLSTM
from ode2rnn.nn.canonical import CanonicalRNN
from ode2rnn.nn.gru import GRU
from ode2rnn.nn.loading import load
from ode2rnn.nn.retiming import RetimedLayer
from ode2rnn.nn.standard import StandardRNN
from ode2rnn.nn.vanilla import VanillaLSTM

__all__ = ["StandardRNN", "CanonicalRNN", "VanillaLSTM", "AugmentedLSTM", "GRU", "RetimedLayer", "load"]
