"""Training: the paper's gradients, sequence tasks, torch.optim with checkpoints, scores beside baselines."""

from ode2rnn.training.checkpoint import Checkpoint
from ode2rnn.training.compare import Comparison, compare
from ode2rnn.training.data import Sequences, Task, windows
from ode2rnn.training.fit import fit, predict
from ode2rnn.training.loop import Fit, TrainingError
from ode2rnn.training.tasks import TASKS, adding, copy_memory, digits, forecasting, sine, sunspots

__all__ = [
    "Sequences",
    "Task",
    "windows",
    "TASKS",
    "adding",
    "copy_memory",
    "sine",
    "sunspots",
    "forecasting",
    "digits",
    "fit",
    "Fit",
    "predict",
    "Checkpoint",
    "TrainingError",
    "compare",
    "Comparison",
]
