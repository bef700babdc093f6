"""What the tests of the layers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ode2rnn.kernels import plain


@pytest.fixture(params=["compiled", "plain"])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that asks for it holds for the kernels and for their plain twins."""
    if request.param == "compiled":
        yield
        return
    with plain():
        yield
