"""The command line: what `ode2rnn` runs."""

from ode2rnn.cli.commands import app

__all__ = ["app"]
