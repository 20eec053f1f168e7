"""What the tests of checkpoints share: models that must be the same, and weights that were changed."""

from collections.abc import Callable
from pathlib import Path

import torch


def assert_same_state(left: torch.nn.Module, right: torch.nn.Module) -> None:
    """Bit for bit: equal keys, types and bytes."""
    one, other = left.state_dict(), right.state_dict()
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        assert tensor.dtype == other[key].dtype
        assert tensor.numpy().tobytes() == other[key].numpy().tobytes(), key


def damage(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
