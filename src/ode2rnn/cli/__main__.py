"""`python -m ode2rnn.cli`, as the command itself."""

from ode2rnn.cli import app

if __name__ == "__main__":
    app()
