"""Training for the figures: on one thread, so that every machine with as many threads draws the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ode2rnn.training import Fit, Sequences, fit

if TYPE_CHECKING:
    import torch


def fit_on_one_thread(
    model: torch.nn.Module, train: Sequences, epochs: int, rate: float, validation: Sequences | None = None
) -> Fit:
    """Train on one thread, whatever the machine: the same picture every time."""
    import torch

    adam, before = torch.optim.Adam(model.parameters(), lr=rate), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        other = train if validation is None else validation
        return fit(model, train, other, optimizer=adam, epochs=epochs, batch=50, clip=1.0, progress=False)
    finally:
        torch.set_num_threads(before)
