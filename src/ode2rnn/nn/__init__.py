"""The recursions as layers of torch, with the shapes and the call of torch.nn.RNN and the paper's backward pass."""

from ode2rnn.nn.canonical import CanonicalRNN
from ode2rnn.nn.standard import StandardRNN

__all__ = ["StandardRNN", "CanonicalRNN"]
