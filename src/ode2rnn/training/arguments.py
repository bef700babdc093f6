"""The arguments of fit: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ode2rnn.core.arrays import brief, check_choice
from ode2rnn.training.data import LOSSES, Sequences

if TYPE_CHECKING:
    import torch

Loss: TypeAlias = Callable[[Any, Any], Any]


def check_validation(train: Sequences, validation: Any) -> tuple[Sequences, Sequences]:
    """The part to train on and the part to choose the epoch by, of one kind."""
    if not isinstance(validation, Sequences):
        try:
            return train.split(validation)
        except ValueError as error:
            raise ValueError(f"validation: expected Sequences or a share of train; {error}") from None
    kinds = [(d.x.shape[2], d.each_step, d.classes, d.classes or d.y.shape[-1]) for d in (train, validation)]
    if kinds[0] != kinds[1]:
        raise ValueError("validation: expected inputs and targets of the kind of train, got others")
    return train, validation


def check_loss(loss: Any, train: Sequences) -> tuple[str, Loss]:
    """The name of the loss, and the function of output and target."""
    from torch.nn import functional

    if loss is not None and not isinstance(loss, str):
        if not callable(loss):
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, or a function; got {brief(loss)}")
        return getattr(loss, "__name__", type(loss).__name__), loss
    natural = "cross_entropy" if train.classes else "mse"
    name = natural if loss is None else check_choice("loss", loss, LOSSES)
    if name != natural:
        kind = "classes" if train.classes else "real numbers"
        raise ValueError(f"loss: expected {natural!r} for targets that are {kind}, got {name!r}")
    if name == "mse":
        return name, functional.mse_loss
    return name, lambda output, y: functional.cross_entropy(output.flatten(0, -2), y.flatten())


def check_optimizer(optimizer: Any, parameters: list[Any]) -> torch.optim.Optimizer:
    """One of torch.optim over ``parameters``; by default Adam."""
    import torch

    if optimizer is None:
        return torch.optim.Adam(parameters)
    if not isinstance(optimizer, torch.optim.Optimizer) or isinstance(optimizer, torch.optim.LBFGS):
        what = "LBFGS, which takes no batches" if isinstance(optimizer, torch.optim.LBFGS) else brief(optimizer)
        raise ValueError(f"optimizer: expected one of torch.optim, as torch.optim.Adam(model.parameters()), got {what}")
    known = {id(p) for p in parameters}
    if any(id(p) not in known for group in optimizer.param_groups for p in group["params"] if p.requires_grad):
        raise ValueError("optimizer: expected one over the parameters of this model, got others among them")
    return optimizer


def check_output(
    model: torch.nn.Module,
    loss: Loss,
    tensors: tuple[torch.Tensor, torch.Tensor, bool],
    train: Sequences,
    validation: Sequences,
) -> None:
    """Let the model and the loss run once, on one sequence, so that what does not fit is told before any work."""
    import torch

    x, y = tensors[0][:, :1], tensors[1][:, :1] if train.each_step else tensors[1][:1]
    was_training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            output = model(x)
            got = tuple(output.shape)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"model: expected a module that takes x of shape {tuple(x.shape)}, got: {error}") from None
    finally:
        model.train(was_training)
    lead = (train.x.shape[0], 1) if train.each_step else (1,)
    least = 1 + int(max(train.y.max(), validation.y.max())) if train.classes else train.y.shape[-1]
    if got[:-1] != lead or (got[-1] < least if train.classes else got[-1] != least):
        width = f"{least} classes or more" if train.classes else str(least)
        shape = ", ".join([*("T", "N")[-len(lead) :], width])
        raise ValueError(f"model: expected outputs of shape ({shape}), got {got} for one sequence")
    value = loss(output, y)
    if not isinstance(value, torch.Tensor) or value.ndim:
        raise ValueError(f"loss: expected a function that returns a scalar tensor, got {brief(value)}")


def check_place(checkpoint: Any) -> Path | None:
    """The folder of the checkpoint."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, str | os.PathLike):
        raise ValueError(f"checkpoint: expected the name of a folder, got {brief(checkpoint)}")
    if Path(checkpoint).exists() and not Path(checkpoint).is_dir():
        raise ValueError(f"checkpoint: expected a folder, got the file {str(checkpoint)!r}")
    return Path(checkpoint)


def digest(*parts: Sequences) -> str:
    """A fingerprint of the data."""
    found = hashlib.sha256()
    for part in parts:
        for array in (part.x, part.y):
            found.update(f"{array.shape} {array.dtype}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
