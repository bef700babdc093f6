"""The training loop: torch.optim on a task's sequences, with early stopping and checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import brief, check_count, check_flag, check_positive
from ode2rnn.training.arguments import Loss, check_loss, check_place, check_validation
from ode2rnn.training.checkpoint import Checkpoint
from ode2rnn.training.data import Sequences
from ode2rnn.training.loop import Fit, Run

if TYPE_CHECKING:
    import torch

TICK = 1e-4  # seconds, about, of a tick of a network in plain torch, with its gradients


def fit(
    model: torch.nn.Module,
    train: Sequences,
    validation: Sequences | float = 0.2,
    *,
    loss: str | Loss | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    epochs: int = 100,
    batch: int = 32,
    seed: int = 0,
    patience: int | None = None,
    clip: float | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | str = True,
) -> Fit:
    """Train ``model`` and leave it with the weights of the epoch whose validation loss is smallest.

    The same model, data and arguments give the same weights to the last bit, on one machine and number of
    threads. A run that was interrupted, anywhere, goes on from its checkpoint to what it would have been.

    Args:
        model: a module that maps x (T, N, m) to outputs (N, o), or (T, N, o) where each step has a target.
        train: sequences to train on.
        validation: sequences to choose the epoch by; or a share of ``train``, its last in the order given.
        loss: "mse", "cross_entropy", or a function (output, target) -> scalar tensor, a mean over the batch;
            by default by the kind of the targets.
        optimizer: one of torch.optim over the model's parameters; by default Adam with its default rate 1e-3.
        epochs: passes over ``train``, at most.
        batch: sequences in a step.
        seed: of the order of the batches, and of what the model draws (dropout).
        patience: stop after so many epochs without a smaller validation loss; None: never.
        clip: the largest norm of the gradient; longer ones are scaled down to it. None: as they are.
        checkpoint: a folder for this run. If a checkpoint of the run is in it, the run goes on from there, also
            with more ``epochs`` or another ``patience``; one is written before the first epoch and after each.
        progress: show a bar where stderr is a terminal; a word names it.

    Returns:
        The losses of each epoch, and which was best.

    Raises:
        ValueError: bad arguments; a checkpoint of another run.
        TrainingError: the loss became NaN or infinite.

    Example:
        >>> import torch
        >>> from ode2rnn.training import adding
        >>> from ode2rnn.training.networks import Recurrent, seeded
        >>> model = seeded(lambda: Recurrent(torch.nn.RNN(2, 8), outputs=1), 0)
        >>> task = adding(length=6, train=64)
        >>> result = fit(model, task.train, task.validation, epochs=3)
        >>> result.validation_loss[-1] < result.validation_loss[0]
        np.True_
    """
    if not isinstance(train, Sequences):
        raise ValueError(f"train: expected Sequences, got {brief(train)}")
    train, validation = check_validation(train, validation)
    epochs, batch, seed = check_count("epochs", epochs), check_count("batch", batch), check_count("seed", seed, 0)
    patience = None if patience is None else check_count("patience", patience)
    clip = None if clip is None else check_positive("clip", clip)
    run = Run(model, train, validation, check_loss(loss, train), optimizer, batch, seed, clip)
    place, shown = check_place(checkpoint), isinstance(progress, str) or check_flag("progress", progress)
    with run.randomness():
        found = Checkpoint.load(place) if place is not None else None
        if found is not None:
            run.restore(found)
        else:
            # decided once, since plain code and kernels round otherwise
            run.compiled = kernels.pays("gated_forward", TICK * run.steps * epochs)
            if place is not None:
                run.checkpoint().save(place)
        engine = kernels.always() if run.compiled else kernels.plain()
        with engine, _bar(epochs, run.begun, progress if isinstance(progress, str) else "fit", shown) as bar:
            while not (why := run.finished(epochs, patience)):
                run.advance()
                if place is not None:
                    run.checkpoint().save(place)
                bar.set_postfix(train=f"{run.train_loss[-1]:.2e}", validation=f"{run.validation_loss[-1]:.2e}")
                bar.update()
    run.model.load_state_dict(run.best)
    return run.result(why)


def predict(model: torch.nn.Module, data: Sequences, batch: int = 1024) -> np.ndarray:
    """The model's outputs for all sequences: (N, o), or (T, N, o) of each step."""
    import torch

    was_training = model.training
    model.eval()
    like = next(model.parameters())
    with torch.no_grad():
        parts = [
            model(torch.as_tensor(data.x[:, k : k + batch], dtype=like.dtype, device=like.device))
            for k in range(0, len(data), batch)
        ]
    model.train(was_training)
    return torch.cat(parts, dim=1 if data.each_step else 0).cpu().double().numpy()


def _bar(epochs: int, begun: int, name: str, shown: bool) -> Any:
    from tqdm import tqdm

    hidden = None if shown else True  # None: hidden unless stderr is a terminal
    return tqdm(total=epochs, initial=begun, desc=name, unit="epoch", file=sys.stderr, disable=hidden)
