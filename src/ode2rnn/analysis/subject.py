"""What an analysis is asked of: a System or a Flow, or a torch module that is read as one.

Uses: C2, D5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ode2rnn.core.arrays import brief, check_array, is_module, to_numpy
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import is_subject
from ode2rnn.core.systems.system import System

if TYPE_CHECKING:
    import torch

Subject = System | Flow

WHAT = (
    "a System (a cell, a Sampled model, a Map), a Flow (an AdditiveModel, a ContinuousLSTM, one of your own), a torch"
    " RNN, LSTM or GRU, or a layer of ode2rnn.nn"
)


def as_subject(system: object, name: str = "system") -> Subject:
    """The system itself; of a torch module the System that it is.

    Raises:
        ValueError: neither; a function of the user's own says which it is by Flow or Map.
    """
    if is_subject(system):
        return cast(Subject, system)
    if is_module(system):
        from ode2rnn.nn.systems import system_of

        return system_of(cast("torch.nn.Module", system))
    if callable(system) and not isinstance(system, type):
        raise ValueError(
            f"{name}: expected {WHAT}; got a function: say Flow(f, width) or Map(f, width), ds/dt = f(t, s) or"
            " s[n] = f(s[n-1])"
        )
    raise ValueError(f"{name}: expected {WHAT}, got {brief(system)}")


def at_rest(subject: Subject) -> Flat:
    """The map or the rate whose rests are those of the subject: of a past that is remembered only what it is at rest.

    Raises:
        ValueError: a subject that never rests, since its rate depends on time.
    """
    settled = subject.settled()
    if not settled.discrete and settled.depends_on_time:
        raise ValueError(
            "system: expected a flow that does not depend on time itself; give what depends on time as an input x, or"
            " add the phase as a state"
        )
    return Flat(settled)


def states_of(name: str, value: object, size: int) -> np.ndarray:
    """States (K, size) that a user gave.

    Raises:
        ValueError: another shape.
    """
    states = to_numpy(check_array(name, value))
    if states.ndim != 2 or states.shape[1] != size:
        raise ValueError(f"{name}: expected shape (K, {size}), got {states.shape}")
    return states
