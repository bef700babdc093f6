"""Which of the two a subject of a question is: a System, with ticks, or a Flow, with a rate."""

from __future__ import annotations

from ode2rnn.core.arrays import brief
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import System


def as_flow(name: str, subject: System | Flow, hint: str = "") -> Flow:
    """``subject`` if it is a Flow.

    Raises:
        ValueError: it is a System; ``hint`` says what a System has instead.
    """
    if isinstance(subject, Flow):
        return subject
    raise ValueError(f"{name}: expected a Flow, got {brief(subject)}{hint and '; ' + hint}")


def as_ticking(name: str, subject: System | Flow, hint: str = "a flow has ticks by discretize or Sampled") -> System:
    """``subject`` if it is a System.

    Raises:
        ValueError: it is a Flow; ``hint`` says what to do.
    """
    if isinstance(subject, System):
        return subject
    raise ValueError(f"{name}: expected a System, got {brief(subject)}; {hint}")


def is_subject(value: object) -> bool:
    """Whether ``value`` is a System or a Flow, which can be asked for its tangents."""
    return isinstance(value, System | Flow)
