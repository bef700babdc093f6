"""A layer that is saved and loaded is the same layer; a file that is damaged or foreign is refused in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.nn.gated import M, T, numbers

from ode2rnn import ACTIVATIONS, Activation, nn
from ode2rnn.nn import GRU, AugmentedLSTM, CanonicalRNN, StandardRNN, VanillaLSTM
from ode2rnn.nn.portable import saving

LAYERS: list[tuple[type, dict[str, Any]]] = [
    (StandardRNN, {"nonlinearity": ACTIVATIONS["sigmoid"]}),
    (CanonicalRNN, {"dt": 0.25, "nonlinearity": "relu"}),
    (VanillaLSTM, {"forget_bias": 1.0}),
    (VanillaLSTM, {"peephole": None, "bias": False}),
    (AugmentedLSTM, {"context": 3, "proj_size": 2, "peephole": "diagonal"}),
    (AugmentedLSTM, {"context": (2, 1), "external_gate": False}),
    (GRU, {"reset_after": False}),
]


def small(kind: type = VanillaLSTM, **arguments: Any) -> Any:
    return kind(M, 4, **arguments)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("kind", "own"), LAYERS)
def test_a_layer_comes_back_as_it_was(kind: type, own: dict, dtype: torch.dtype, tmp_path: Path) -> None:
    layer = small(kind, num_layers=2, dropout=0.5, bidirectional=True, batch_first=True, dtype=dtype, **own)
    path = layer.save(tmp_path / "folder" / "layer.safetensors")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    back = nn.load(str(path))
    assert torch.equal(torch.get_rng_state(), before)  # loading draws nothing
    assert type(back) is kind
    assert repr(back) == repr(layer)
    assert back.arguments().keys() == layer.arguments().keys()
    assert back.state_dict().keys() == layer.state_dict().keys()
    for name, value in layer.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)
        assert back.state_dict()[name].dtype is dtype
    assert all(weight.requires_grad for weight in back.parameters())
    x = numbers(2, T, M).to(dtype)
    assert torch.equal(back.eval()(x)[0], layer.eval()(x)[0])
    assert [file.name for file in path.parent.iterdir()] == ["layer.safetensors"]


def test_a_write_that_fails_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small().save(tmp_path / "layer.safetensors")
    before = path.read_bytes()

    def half(tensors: object, file: Path, header: object) -> None:
        Path(file).write_bytes(before[:100])
        raise OSError("no space left")

    monkeypatch.setattr("safetensors.torch.save_file", half)
    with pytest.raises(OSError, match="no space left"):
        small().save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("length", [0, 5, 100, 700, -1])
def test_a_truncated_file_is_refused(length: int, tmp_path: Path) -> None:
    path = small().save(tmp_path / "layer.safetensors")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"path: expected a file that save\(\) of a layer wrote, .* does not read"):
        nn.load(path)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "layer.safetensors"
    path.write_text("hello " * 100)
    with pytest.raises(ValueError, match="does not read"):
        nn.load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="which another program wrote"):
        nn.load(path)
    save_file({"a": torch.zeros(2)}, path, {saving.KEY: "{not json"})
    with pytest.raises(ValueError, match="does not read"):
        nn.load(path)
    with pytest.raises(ValueError, match="does not read"):
        nn.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is none"):
        nn.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="path: expected the name of a file, got int 3"):
        nn.load(3)


def rewritten(path: Path, tensors: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The file of a small VanillaLSTM, its header and tensors changed; None removes a tensor."""
    layer = small()
    header = {"format": 1, "layer": "VanillaLSTM", "arguments": layer.arguments()} | changes
    held = {name: value.clone() for name, value in layer.state_dict().items()} | (tensors or {})
    save_file({name: v for name, v in held.items() if v is not None}, path, {saving.KEY: json.dumps(header)})
    return path


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"format": 2}, "of another format: 2"),
    ({"arguments": None}, "of another format"),
    ({"layer": "VanilaLSTM"}, "did you mean 'VanillaLSTM'?"),
    ({"layer": 3}, "path: layer: expected one of"),
    ({"layer": "GRU"}, "path: expected what a GRU is made with, got something else"),
    ({"arguments": {}}, "path: expected what a VanillaLSTM is made with"),
    (
        {"arguments": {"input_size": M, "hidden_size": "4"}},
        "got something else (hidden_size: expected a whole number >= 1, got '4')",
    ),
    ({"arguments": {"input_size": M, "hidden_size": 5}}, "path: W_scr_l0: expected shape (5, 5)"),
    ({"arguments": {"input_size": M, "hidden_size": 10**6}}, "path: W_scr_l0: expected shape (1000000, "),
    ({"tensors": {"W_xcu_l0": torch.zeros(4)}}, "path: W_xcu_l0: expected shape (4, 3), as its VanillaLSTM, got (4,)"),
    ({"tensors": {"W_xcu_l0": None}}, "path: W_xcu_l0: expected shape (4, 3), as its VanillaLSTM, got none"),
    ({"tensors": {"W_xyz_l0": torch.zeros(4)}}, "path: W_xyz_l0: expected shape none, as its VanillaLSTM, got (4,)"),
    (
        {"tensors": {"b_cu_l0": torch.zeros(4, dtype=torch.float64)}},
        "path: expected weights of one dtype, got torch.float32, torch.float64",
    ),
]


@pytest.mark.parametrize(("changes", "message"), CHANGES, ids=[message for _, message in CHANGES])
def test_what_does_not_fit_is_refused_by_name(changes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        nn.load(rewritten(tmp_path / "layer.safetensors", **changes))


def test_integers_are_no_weights(tmp_path: Path) -> None:
    whole = {name: value.long() for name, value in small().state_dict().items()}
    with pytest.raises(ValueError, match="dtype: expected a floating-point dtype"):
        nn.load(rewritten(tmp_path / "layer.safetensors", whole))


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: expected a name that ends in \.safetensors, got 'layer\.pt'"):
        small().save(tmp_path / "layer.pt")
    G = Activation("half", lambda s: s / 2, lambda s: 0 * s + 0.5)
    with pytest.raises(ValueError, match="nonlinearity: expected a registered one, which a file can name, got 'half'"):
        small(StandardRNN, nonlinearity=G).save(tmp_path / "layer.safetensors")

    class Own(GRU):
        pass

    with pytest.raises(ValueError, match=r"layer: expected one of ode2rnn\.nn, got Own"):
        small(Own).save(tmp_path / "layer.safetensors")
    assert not list(tmp_path.iterdir())
