"""A bar on the terminal for work that takes more than a moment."""

from __future__ import annotations

import sys
from typing import Any


def progress(total: float, name: str, unit: str) -> Any:
    """A bar, on a terminal only, that appears after a second and leaves no trace; use it in a with statement."""
    from tqdm import tqdm

    return tqdm(total=total, desc=name, unit=unit, file=sys.stderr, disable=None, delay=1, leave=False)
