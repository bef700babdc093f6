"""The recursions as layers of torch, with the shapes and the call of torch.nn's, and the paper's backward pass."""

from ode2rnn.nn.gru import GRU
from ode2rnn.nn.lstm.augmented import AugmentedLSTM
from ode2rnn.nn.lstm.vanilla import VanillaLSTM
from ode2rnn.nn.portable.loading import load
from ode2rnn.nn.retiming import RetimedLayer
from ode2rnn.nn.simple.canonical import CanonicalRNN
from ode2rnn.nn.simple.standard import StandardRNN

__all__ = ["StandardRNN", "CanonicalRNN", "VanillaLSTM", "AugmentedLSTM", "GRU", "RetimedLayer", "load"]
