"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ode2rnn import kernels


@pytest.fixture(scope="session", autouse=True)
def kernels_at_once() -> Iterator[None]:
    """Kernels do all that they can do, whatever is compiled already: the same code runs on every machine."""
    with kernels.always():
        yield
