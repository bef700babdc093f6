"""All that a training run needs to go on, on disk: safetensors for the tensors, JSON for the rest, no pickle.

A checkpoint is two files in a folder of its own: ``checkpoint.json``, and ``tensors-EPOCH.safetensors`` that it
names. The tensors are written first; the JSON file, renamed into its place, makes them count. Whenever a run is
stopped, the folder holds the checkpoint before or the one after, whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ode2rnn.core.trajectory import write_whole

NAME = "checkpoint.json"
FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        settings: what the run was started with; a run goes on only from its own checkpoint.
        train_loss, validation_loss: one number for each epoch so far.
        model, best: state_dict now, and of the best epoch.
        optimizer: its state_dict.
        random: states of the random generators, by name.
    """

    settings: dict[str, Any]
    train_loss: list[float]
    validation_loss: list[float]
    model: Mapping[str, Any]
    best: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    random: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write both files, whole or not at all, and remove those of the checkpoint before."""
        from safetensors.torch import save_file

        tensors: dict[str, Any] = {}
        fields = {name: encode(getattr(self, name), name, tensors) for name in self.__dataclass_fields__}
        file = folder / f"tensors-{len(self.train_loss)}.safetensors"
        write_whole(file, lambda path: save_file(tensors, path))
        text = json.dumps({"format": FORMAT, "tensors": file.name, **fields}, indent=1)
        write_whole(folder / NAME, lambda path: _write(path, text))
        for old in {*folder.glob("tensors-*.safetensors"), *temporaries(folder)} - {file}:
            old.unlink(missing_ok=True)

    @staticmethod
    def load(folder: str | Path) -> Checkpoint | None:
        """The checkpoint in ``folder``, or None where there is none.

        Raises:
            ValueError: files that are no checkpoint.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = Path(folder) / NAME
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("format") != FORMAT:
                raise ValueError("of another format")
            tensors = load_file(path.parent / Path(fields.pop("tensors")).name)
            return Checkpoint(**{name: decode(value, tensors) for name, value in fields.items()})
        except (ValueError, KeyError, TypeError, AttributeError, OSError, SafetensorError) as error:
            raise ValueError(
                f"checkpoint: expected files that fit wrote, got {str(path)!r}, which does not read ({error});"
                " delete it to start again"
            ) from None

    @staticmethod
    def remove(folder: str | Path) -> None:
        """Delete the checkpoint in ``folder``, and the folder if nothing else is in it."""
        place = Path(folder)
        for file in [place / NAME, *place.glob("tensors-*.safetensors"), *temporaries(place)]:
            file.unlink(missing_ok=True)
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def temporaries(folder: Path) -> list[Path]:
    """What a killed run left of files that were being written; they never have the name of a checkpoint."""
    return [*folder.glob(".tensors-*.safetensors"), *folder.glob(".checkpoint.*.json")]


def encode(value: Any, path: str, tensors: dict[str, Any]) -> Any:
    """``value`` as JSON, its tensors put into ``tensors`` by the path that leads to them."""
    from torch import Tensor

    if isinstance(value, Tensor):
        # a copy of its own: safetensors refuses tensors that share memory
        tensors[path] = value.detach().cpu().clone().contiguous()
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"items": [[key, encode(part, f"{path}.{key}", tensors)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        parts = [encode(part, f"{path}.{k}", tensors) for k, part in enumerate(value)]
        return parts if isinstance(value, list) else {"tuple": parts}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"checkpoint: expected tensors, numbers, words and collections of them, got {path} = {value!r:.60}"
    )


def decode(value: Any, tensors: Mapping[str, Any]) -> Any:
    """What ``encode`` was given."""
    if isinstance(value, list):
        return [decode(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content].clone()  # not a view of the file, which the next checkpoint deletes
    if kind == "tuple":
        return tuple(decode(part, tensors) for part in content)
    return {key: decode(part, tensors) for key, part in content}
