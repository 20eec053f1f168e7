"""The average of a model's weights over its last steps, which scores better than the weights of any one step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, share: float) -> AveragedModel:
    """Return an average that begins with a model's weights; `update_parameters` moves it on.

    BatchNorm's statistics are averaged as weights are, lest they describe weights of another time; counts are copied.
    In the first steps, less of the old value is kept: (1 + t) / (10 + t), as in TensorFlow's average.

    Args:
        model: Copied.
        share: Of the old value that is kept in a step, between 0 and 1.
    """

    @torch.no_grad()
    def move(averages: Sequence[Tensor], values: Sequence[Tensor], seen: Tensor | int) -> None:
        kept = min(share, (1.0 + float(seen)) / (10.0 + float(seen)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), 1.0 - kept)
            else:
                average.copy_(value)

    average = AveragedModel(model, multi_avg_fn=move, use_buffers=True)
    average.update_parameters(model)
    return average.requires_grad_(False)


@contextmanager
@torch.no_grad()
def in_place_of(model: nn.Module, other: nn.Module | None) -> Iterator[None]:
    """Give a model the weights of another one of its kind while the block runs; None leaves it its own."""
    if other is None:
        yield
        return
    own = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(other.state_dict())
    try:
        yield
    finally:
        model.load_state_dict(own)
