"""Trained layers as Systems."""

from ode2rnn.nn.systems.modules import system_of
from ode2rnn.nn.systems.stack import Stack

__all__ = ["Stack", "system_of"]
