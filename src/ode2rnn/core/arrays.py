"""One set of array operations for NumPy and torch, and the checks that every public constructor runs."""

from __future__ import annotations

import difflib
import math
import reprlib
import sys
from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np

# A NumPy array or a torch tensor.  torch is never imported from here: a tensor can only exist once the
# caller has imported it, so its presence in sys.modules is all that has to be looked at.
Array: TypeAlias = Any

FLOAT = np.dtype(np.float64)

FEW = 8  # entries that are looked at sooner one by one

# beyond this a delay counted in steps is a mistake, and 1e-9 of it no rounding error
MOST_STEPS = 10**7


def is_torch(value: object) -> bool:
    """Whether ``value`` is a torch tensor."""
    if type(value) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_module(value: object) -> bool:
    """Whether ``value`` is a torch module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def as_like(value: object, like: Array) -> Array:
    """``value`` as an array of the kind, dtype and device of ``like``."""
    if is_torch(like):
        torch = sys.modules["torch"]
        if is_torch(value):
            return value.to(dtype=like.dtype, device=like.device)  # type: ignore[attr-defined]
        return torch.as_tensor(np.array(value), dtype=like.dtype, device=like.device)
    return to_numpy(value)


def times_like(times: np.ndarray, like: Array) -> Array:
    """Times of the kind of ``like``, in double precision whatever its dtype."""
    if is_torch(like):
        return sys.modules["torch"].as_tensor(times, device=like.device)
    return times


def to_numpy(value: object) -> np.ndarray:
    """``value`` as a float64 NumPy array, cut off from any gradient."""
    own: Array = value
    return np.asarray(own.detach().cpu().numpy() if is_torch(own) else own, dtype=np.float64)


def stack(arrays: list[Array], axis: int = 0) -> Array:
    """Join equal shapes along a new axis."""
    if is_torch(arrays[0]):
        return sys.modules["torch"].stack(arrays, dim=axis)
    return np.stack(arrays, axis=axis)


def concatenate(arrays: list[Array], axis: int = 0) -> Array:
    """Join along an existing axis."""
    if is_torch(arrays[0]):
        return sys.modules["torch"].cat(arrays, dim=axis)
    return np.concatenate(arrays, axis=axis)


def broadcast_to(value: Array, shape: tuple[int, ...]) -> Array:
    """``value`` seen with ``shape``."""
    if value.shape == shape:
        return value
    if is_torch(value):
        return value.broadcast_to(shape)
    return np.broadcast_to(value, shape)


def einsum(subscripts: str, *operands: Array) -> Array:
    """Einstein sum over arrays of one kind."""
    if is_torch(operands[0]):
        return sys.modules["torch"].einsum(subscripts, *operands)
    return np.einsum(subscripts, *operands, optimize=len(operands) > 2)


def all_finite(value: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    if is_torch(value):
        return bool(sys.modules["torch"].isfinite(value).all())
    value = np.asarray(value)
    if value.size <= FEW and value.dtype is FLOAT:
        return all(map(math.isfinite, value.ravel().tolist()))
    return np.count_nonzero(np.isfinite(value)) == value.size  # where it is short, five times as fast as all()


def check_array(name: str, value: object, like: Array | None = None, finite: bool = True) -> Array:
    """``value`` as a float array; numbers only, NaN and infinity refused by name where ``finite`` is asked."""
    if value is None:
        raise ValueError(f"{name}: expected numbers, got None")
    if is_torch(value):
        array: Array = value
        if not array.is_floating_point():
            raise ValueError(f"{name}: expected a floating-point tensor, got {array.dtype}; use {name}.double()")
        if array.layout is not sys.modules["torch"].strided:
            raise ValueError(f"{name}: expected a dense tensor, got {array.layout}; use {name}.to_dense()")
    elif type(value) is np.ndarray and value.dtype is FLOAT:
        array = value.copy()
    else:
        try:
            raw = np.asarray(value)
        except Exception as error:  # whatever the value's own conversion to an array may raise
            raise ValueError(f"{name}: expected an array of numbers, got {brief(value)} ({error})") from None
        if raw.dtype.kind not in "biuf":
            raise ValueError(f"{name}: expected an array of real numbers, got {brief(value)}")
        if raw.dtype == np.float64:
            array = np.array(raw)
        else:
            with np.errstate(all="ignore"):
                array = np.array(raw, dtype=np.float64)
    if like is not None and is_torch(like):
        array = as_like(array, like)
    if finite and not all_finite(array):
        what = "NaN" if np.isnan(to_numpy(array)).any() else "infinity"
        raise ValueError(f"{name}: expected finite numbers, got an array that holds {what}")
    return array


def check_shape(name: str, array: Array, shape: tuple[int | str, ...]) -> Array:
    """``array`` if it has ``shape``; a word in ``shape`` stands for a length of at least one, the same throughout."""
    got = tuple(array.shape)
    lengths: dict[str, int] = {}
    fits = len(got) == len(shape) and all(
        g >= 1 and g == lengths.setdefault(s, g) if isinstance(s, str) else g == s
        for g, s in zip(got, shape, strict=True)
    )
    if not fits:
        want = "(" + ", ".join(str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{name}: expected shape {want}, got {got}")
    return array


def check_state(name: str, value: object, width: int) -> Array:
    """``value`` as states (..., width); a number where there is one state."""
    state = check_array(name, value)
    if state.ndim == 0 and width == 1:
        state = state.reshape((1,))
    if state.ndim == 0 or state.shape[-1] != width:
        raise ValueError(f"{name}: expected shape (..., {width}), got {tuple(state.shape)}")
    return state


def check_number(name: str, value: object) -> float:
    """``value`` as a finite float."""
    if isinstance(value, float | int) and abs(value) <= sys.float_info.max:
        return float(value)
    array = to_numpy(_without_gradient(name, check_array(name, value)))
    if array.ndim != 0:
        raise ValueError(f"{name}: expected one number, got an array of shape {array.shape}")
    return float(array)


def _without_gradient(name: str, array: Array) -> Array:
    if is_torch(array) and array.requires_grad:
        raise ValueError(f"{name}: expected numbers, got a tensor that asks for a gradient, which does not flow to it")
    return array


def check_nonnegative(name: str, value: object) -> float:
    """``value`` as a finite float >= 0."""
    number = check_number(name, value)
    if number < 0:
        raise ValueError(f"{name}: expected a number >= 0, got {number:g}")
    return number


def check_positive(name: str, value: object) -> float:
    """``value`` as a finite float > 0."""
    number = check_number(name, value)
    if number <= 0:
        raise ValueError(f"{name}: expected a number > 0, got {number:g}")
    return number


def check_count(name: str, value: object, least: int = 1) -> int:
    """``value`` as a whole number >= least."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected a whole number >= {least}, got {value!r}")
    return int(value)


def check_flag(name: str, value: object) -> bool:
    """``value`` as True or False."""
    if value is not True and value is not False and not isinstance(value, np.bool_):
        raise ValueError(f"{name}: expected True or False, got {brief(value)}")
    return bool(value)


def check_divides(dt: float, delay: float) -> int:
    """The whole number of steps dt in a delay (3 * 0.1 counts as 0.3); at least one in a positive delay."""
    if delay == 0:
        return 0
    ratio = delay / dt
    if ratio > MOST_STEPS:
        raise ValueError(
            f"dt: expected at most {MOST_STEPS:g} steps in the delay {delay:g}, got {ratio:.3g} (dt {dt:g})"
        )
    steps = max(1, round(ratio))
    if abs(ratio - steps) > 1e-9 * steps:
        around = max(1, math.floor(ratio)), max(1, math.ceil(ratio))
        steps = min(around, key=lambda n: abs(delay / n - dt))
        raise ValueError(
            f"dt: expected a step that divides the delay {delay:g}, got {dt:g}; the nearest that does is"
            f" {delay / steps!r} (delay / {steps})"
        )
    return steps


def check_increasing(name: str, value: object, least: int = 1) -> np.ndarray:
    """``value`` as a strictly increasing vector of times."""
    times = _without_gradient(name, check_array(name, value, finite=False))
    if is_torch(times):
        times = to_numpy(times)
    if times.ndim == 1 and times.size > max(1, least - 1):
        rises, length = np.count_nonzero(times[1:] > times[:-1]), times.item(-1) - times.item(0)
        if rises == times.size - 1 and math.isfinite(length):  # then all are finite
            return times
    check_array(name, times)
    if times.ndim != 1 or times.size < least:
        raise ValueError(f"{name}: expected an increasing vector of at least {least} times, got shape {times.shape}")
    falls = times[1:] <= times[:-1]
    if np.count_nonzero(falls):
        at = int(np.argmax(falls))
        raise ValueError(
            f"{name}: expected strictly increasing times, got {times[at]:g} followed by {times[at + 1]:g}"
            f" at position {at + 1}"
        )
    if times.size and math.isinf(float(times[-1]) - float(times[0])):
        raise ValueError(f"{name}: expected times of a finite span, got {times[0]:g} to {times[-1]:g}")
    return times


def check_choice(name: str, value: object, known: Collection[str]) -> str:
    """``value`` if it is one of ``known``; the message lists them and the nearest."""
    if isinstance(value, str) and value in known:
        return value
    names = sorted(known)
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected one of {', '.join(names)}; got {brief(value)}")
    lower = {n.lower(): n for n in names}
    near = difflib.get_close_matches(value[:80].lower(), lower, n=1, cutoff=0.4)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else ""
    raise ValueError(f"{name}: expected one of {', '.join(names)}; got {value[:80]!r}{hint}")


def brief(value: object) -> str:
    """What ``value`` is, in at most a line, for a message."""
    try:
        text = reprlib.repr(value)
    except Exception:  # a repr of the value's own
        text = ""
    kind = type(value).__name__
    return kind if not text or "\n" in text else f"{kind} {text if len(text) <= 40 else text[:37] + '...'}"


def brief_cell(value: object) -> str:
    """``brief`` where a cell is expected; a layer has the name of its cell, so it is told where that is."""
    layer = callable(getattr(value, "cell", None))
    return f"a layer, {type(value).__name__}; its cell() is one" if layer else brief(value)
