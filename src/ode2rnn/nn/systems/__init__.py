"""Trained layers as Systems."""

from ode2rnn.nn.systems.stack import Stack, system_of

__all__ = ["Stack", "system_of"]
