"""Memory that a training step needs between its two passes, kept for the next step.

The system takes large blocks back as soon as they are free and hands out new pages one fault at a time, which costs as
much as the arithmetic on them. Only what no user ever sees is from here: outputs and gradients are not.
"""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor

LEAST = 1 << 18  # bytes, below which the allocator of the process does well
IDLE = 32  # a block that so many others were taken before is given up
ALIGNED = 64


class Pool:
    """Blocks that nobody uses, each with the number of the request at which it came back."""

    def __init__(self) -> None:
        self.requests = 0
        self._free: dict[int, tuple[int, np.ndarray]] = {}
        self._lent: dict[int, weakref.ref] = {}

    def take(self, count: int, dtype: torch.dtype) -> Tensor:
        """``count`` numbers of any value, which come back here when the last tensor that shares them is gone."""
        size = count * dtype.itemsize
        if size < LEAST:
            return torch.empty(count, dtype=dtype)
        memory = self._find(size + ALIGNED)
        start = -memory.ctypes.data % ALIGNED
        lent = memory[start : start + size]
        key = id(lent)

        def back(_: object) -> None:
            del self._lent[key]
            self._free[id(memory)] = self.requests, memory

        self._lent[key] = weakref.ref(lent, back)
        return torch.from_numpy(lent).view(dtype)

    def _find(self, size: int) -> np.ndarray:
        """The smallest free block that fits and is not much too large, or a new one."""
        self.requests += 1
        # one may come back meanwhile, in another thread or as garbage of this one, hence the copy and pop's default
        free = sorted(self._free.copy().items(), key=lambda item: item[1][1].size)
        for key, (since, _) in free:
            if since + IDLE < self.requests:
                self._free.pop(key, None)
        for key, (_, memory) in free:
            if size <= memory.size <= 2 * size and self._free.pop(key, None) is not None:
                return memory
        return np.empty(size, np.uint8)


POOL = Pool()
