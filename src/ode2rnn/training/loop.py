"""One training run: everything that changes from epoch to epoch, how it changes, and how it is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.arrays import brief
from ode2rnn.training.arguments import Loss, check_optimizer, check_output, digest
from ode2rnn.training.checkpoint import Checkpoint
from ode2rnn.training.data import Sequences

if TYPE_CHECKING:
    import torch

AT_ONCE = 1024  # sequences that are evaluated at once


@dataclass(frozen=True)
class Fit:
    """What a training run did. The model has the weights of ``best_epoch``.

    Attributes:
        train_loss, validation_loss: (E,), the mean loss over the epoch's batches, and after the epoch.
        best_epoch: the epoch of the smallest validation loss, the first being 1.
        stopped: "epochs" when all were done, "patience" when none of the last ones was better.
        resumed_from: epochs that a checkpoint gave; 0 for a new run.
    """

    train_loss: np.ndarray
    validation_loss: np.ndarray
    best_epoch: int
    stopped: str
    resumed_from: int = 0

    @property
    def best_loss(self) -> float:
        """The smallest validation loss; infinity before the first epoch."""
        return float(self.validation_loss.min(initial=math.inf))

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.train_loss)


class TrainingError(RuntimeError):
    """A training run whose loss became NaN or infinite.

    Attributes:
        fit: the epochs before; the model has the weights of the best of them.
    """

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit

    def __reduce__(self) -> tuple[type, tuple[str, Fit]]:
        return type(self), (str(self), self.fit)  # so that it reaches us from another process


class Run:
    """A training run between two epochs: all that changes, and how an epoch changes it."""

    def __init__(
        self,
        model: torch.nn.Module,
        train: Sequences,
        validation: Sequences,
        loss: tuple[str, Loss],
        optimizer: torch.optim.Optimizer | None,
        batch: int,
        seed: int,
        clip: float | None,
    ) -> None:
        import torch

        if not isinstance(model, torch.nn.Module):
            raise ValueError(f"model: expected a torch module, got {brief(model)}")
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("model: expected parameters to train, got a module without any")
        self.model, self.batch, self.seed, self.clip = model, batch, seed, clip
        self.optimizer = check_optimizer(optimizer, self.parameters)
        self.loss_name, self.loss = loss
        self.device = self.parameters[0].device
        self.train, self.validation = self._tensors("train", train), self._tensors("validation", validation)
        check_output(model, self.loss, self.train, train, validation)
        self.order = torch.Generator().manual_seed(seed)
        self.train_loss: list[float] = []
        self.validation_loss: list[float] = []
        self.begun = 0
        self.best = self._weights()
        self.steps, self.compiled = -(-len(train) // batch) * len(self.train[0]), False
        self.settings = {
            "batch": batch,
            "seed": seed,
            "clip": clip,
            "loss": self.loss_name,
            "optimizer": [type(self.optimizer).__name__, *self._rates()],
            "weights": [f"{name} {tuple(w.shape)} {w.dtype}" for name, w in self.best.items()],
            "data": digest(train, validation),
        }

    @property
    def epoch(self) -> int:
        return len(self.train_loss)

    @property
    def best_epoch(self) -> int:
        return 1 + int(np.argmin(self.validation_loss)) if self.validation_loss else 0

    def finished(self, epochs: int, patience: int | None) -> str:
        """Why the run is at its end, or an empty word."""
        if patience is not None and self.epoch - self.best_epoch >= patience:
            return "patience"
        return "epochs" if self.epoch >= epochs else ""

    def result(self, stopped: str) -> Fit:
        return Fit(np.array(self.train_loss), np.array(self.validation_loss), self.best_epoch, stopped, self.begun)

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """torch's random numbers from the seed inside; outside they are as if nothing had run."""
        import torch

        was_training = self.model.training
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.default_generator.manual_seed(self.seed)
            if self.device.type == "cuda":
                torch.cuda.manual_seed(self.seed)
            try:
                yield
            finally:
                self.model.train(was_training)

    def advance(self) -> None:
        """One epoch."""
        import torch

        self.model.train()
        x, y, steps = self.train
        count, total = x.shape[1], 0.0
        for which in torch.randperm(count, generator=self.order).split(self.batch):
            which = which.to(self.device)
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x[:, which]), y[:, which] if steps else y[which])
            self._check_finite(loss.item())
            loss.backward()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            total += loss.item() * len(which)
        # the validation part is judged by the weights as they are now, without dropout
        self.model.eval()
        after = self._mean_loss()
        self._check_finite(after)
        self.train_loss.append(total / count)
        self.validation_loss.append(after)
        if self.best_epoch == self.epoch:
            self.best = self._weights()

    def _mean_loss(self) -> float:
        import torch

        x, y, steps = self.validation
        count, total = x.shape[1], 0.0
        with torch.no_grad():
            for k in range(0, count, AT_ONCE):
                part = slice(k, k + AT_ONCE)
                loss = self.loss(self.model(x[:, part]), y[:, part] if steps else y[part])
                total += loss.item() * min(AT_ONCE, count - k)
        return total / count

    def checkpoint(self) -> Checkpoint:
        import torch

        random = {"torch": torch.get_rng_state(), "order": self.order.get_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        return Checkpoint(
            {**self.settings, "compiled": self.compiled},
            self.train_loss,
            self.validation_loss,
            self.model.state_dict(),
            self.best,
            self.optimizer.state_dict(),
            random,
        )

    def restore(self, found: Checkpoint) -> None:
        """Go on from ``found``, which must be of this run."""
        import torch

        for name, own in self.settings.items():
            other = found.settings.get(name)
            if other != own:
                got = "" if name in ("data", "weights") else f" ({own}, there it is {other})"
                raise ValueError(
                    f"checkpoint: expected the run that wrote it, got another in its {name}{got};"
                    " choose another folder, or delete the checkpoint"
                )
        self.compiled = bool(found.settings.get("compiled", True))
        if self.compiled and not kernels.compiled():
            raise ValueError("checkpoint: expected numba, whose kernels began the run, got a Python without it")
        self.model.load_state_dict(found.model)
        self.optimizer.load_state_dict(dict(found.optimizer))
        self.best = dict(found.best)
        self.train_loss, self.validation_loss = list(found.train_loss), list(found.validation_loss)
        self.begun = self.epoch
        torch.set_rng_state(found.random["torch"])
        self.order.set_state(found.random["order"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(found.random["cuda"], self.device)

    def _weights(self) -> dict[str, Any]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _rates(self) -> list[str]:
        """The numbers that steer the optimizer, as text."""
        return [
            f"{name}={value}"
            for group in self.optimizer.state_dict()["param_groups"]
            for name, value in group.items()
            if name != "params"
        ]

    def _tensors(self, name: str, data: Sequences) -> tuple[Any, Any, bool]:
        import torch

        x = torch.as_tensor(data.x, dtype=self.parameters[0].dtype, device=self.device)
        y = torch.as_tensor(data.y, device=self.device)
        if not torch.isfinite(x).all():
            raise ValueError(f"{name}: expected inputs that {x.dtype} can hold, got larger ones")
        return x, y if data.classes else y.to(x.dtype), data.each_step

    def _check_finite(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        self.model.load_state_dict(self.best)
        raise TrainingError(
            f"the loss became {loss} in epoch {self.epoch + 1}; try a smaller learning rate, or clip=1.0",
            self.result("failed"),
        )
