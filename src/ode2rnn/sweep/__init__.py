"""Runs that a file or a command line describes: one simulation, the study of the sampling step, and of training."""

from ode2rnn.sweep.config import Simulation, load_config, parse_config
from ode2rnn.sweep.length_scores import LengthStudy
from ode2rnn.sweep.lengths import length_study
from ode2rnn.sweep.step_stability import StepStability, step_stability
from ode2rnn.sweep.steps import StepStudy, default_steps, step_study
from ode2rnn.sweep.train import train_study

__all__ = [
    "Simulation",
    "load_config",
    "parse_config",
    "StepStudy",
    "default_steps",
    "step_study",
    "StepStability",
    "step_stability",
    "train_study",
    "LengthStudy",
    "length_study",
]
