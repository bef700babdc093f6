"""The memory that is kept for the next step."""

from __future__ import annotations

import torch

from ode2rnn.nn.passes.compiled.pool import ALIGNED, IDLE, LEAST, Pool


def test_memory_comes_back_when_the_last_tensor_is_gone() -> None:
    pool = Pool()
    first = pool.take(LEAST, torch.float64)
    place, part = first.data_ptr(), first[5:]
    assert place % ALIGNED == 0
    del first
    other = pool.take(LEAST, torch.float64)
    assert other.data_ptr() != place
    del part
    again = pool.take(LEAST - 3, torch.float64)
    assert again.data_ptr() == place
    assert again.shape == (LEAST - 3,)


def test_what_is_alive_is_nobody_elses() -> None:
    pool = Pool()
    alive = [pool.take(LEAST, torch.float32).fill_(i) for i in range(5)]
    assert [set(memory.tolist()) for memory in alive] == [{0.0}, {1.0}, {2.0}, {3.0}, {4.0}]


def test_a_block_much_too_large_is_left_for_others() -> None:
    pool = Pool()
    place = pool.take(4 * LEAST, torch.float64).data_ptr()
    assert pool.take(LEAST, torch.float64).data_ptr() != place
    assert pool.take(3 * LEAST, torch.float64).data_ptr() == place


def test_what_nobody_takes_for_long_is_given_up() -> None:
    pool = Pool()
    pool.take(100 * LEAST, torch.float64)
    assert len(pool._free) == 1
    for _ in range(IDLE + 2):
        pool.take(LEAST, torch.float64)
    assert [memory.size < 10 * LEAST for _, memory in pool._free.values()] == [True]
