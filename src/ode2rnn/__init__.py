"""ode2rnn: the recurrent network as a delay differential equation, sampled, step by step.

The names below follow the derivation. Heavy libraries (torch, numba, matplotlib) are imported only when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ode2rnn import analysis, training
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core import signals
from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.run import run
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.map import Map
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import Interrupted, SimulationError, Trajectory
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN
from ode2rnn.discrete.limits import quasi_static
from ode2rnn.discrete.rules import ALIASES, SCHEMES
from ode2rnn.discrete.sampled import Sampled
from ode2rnn.discrete.schemes import discretize, retime, undiscretize
from ode2rnn.discrete.unroll import fir, impulse_response, unroll
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.cell import Gates, LSTMState
from ode2rnn.gated.continuous import ContinuousGRU, ContinuousLSTM
from ode2rnn.gated.count import parameter_count
from ode2rnn.gated.error_flow import carousel_flow
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.sampled import SampledLSTM
from ode2rnn.gated.transition import (
    Carousel,
    ComputedGates,
    Gate,
    GatedCarousel,
    GatedReadout,
    SplitRNN,
    WarpedUpdate,
)
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS
from ode2rnn.training.gradients.adjoint import adjoint
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import clip

__all__ = [
    "Activation",
    "ACTIVATIONS",
    "signals",
    "AdditiveModel",
    "Circulant",
    "ContinuousRNN",
    "integrate",
    "METHODS",
    "Trajectory",
    "SimulationError",
    "Interrupted",
    "discretize",
    "SCHEMES",
    "ALIASES",
    "CanonicalRNN",
    "TappedRNN",
    "run",
    "System",
    "Flow",
    "Map",
    "Sampled",
    "quasi_static",
    "undiscretize",
    "retime",
    "unroll",
    "impulse_response",
    "fir",
    "SplitRNN",
    "Carousel",
    "GatedCarousel",
    "WarpedUpdate",
    "GatedReadout",
    "Gate",
    "ComputedGates",
    "carousel_flow",
    "VanillaLSTM",
    "AugmentedLSTM",
    "LSTMState",
    "Gates",
    "GRU",
    "parameter_count",
    "ContinuousGRU",
    "ContinuousLSTM",
    "SampledLSTM",
    "bptt",
    "adjoint",
    "clip",
    "training",
    "nn",
    "analysis",
]

if TYPE_CHECKING:
    from ode2rnn import nn


def __getattr__(name: str) -> Any:
    """The packages that need torch, loaded when they are first asked for."""
    if name == "nn":
        from importlib import import_module

        return import_module("ode2rnn.nn")
    raise AttributeError(f"module 'ode2rnn' has no attribute {name!r}")
