"""Examples side by side: what all batches have in common."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from minivlm.language.layout import HIDDEN, CaptionContext, TransformerInputs

Value = TypeVar("Value")


def moved(value: Any, device: torch.device) -> Any:
    """Return tensors, and tuples, mappings and dataclasses of them, on a device; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        parts = [moved(one, device) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, dict):
        return {key: moved(one, device) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: moved(getattr(value, field.name), device) for field in fields(value)})
    return value


class Batch:
    """A dataclass of tensors, as the trainer takes it."""

    def to(self: Value, device: torch.device) -> Value:
        """Return the same batch on a device."""
        same: Value = moved(self, device)
        return same


def join_inputs(each: Sequence[TransformerInputs]) -> TransformerInputs:
    """Put sequences of one layout below each other, without the columns that are hidden in all of them.

    At inference, layouts have fixed lengths, of which a short question uses a fifth. What is hidden changes nothing for
    what is seen, and nobody reads its rows.
    """
    length = each[0].token_ids.shape[1]
    whole = TransformerInputs(*(torch.cat(parts) for parts in zip(*each, strict=True)))
    text, regions = _used(whole.mask[:, 0, :length]), _used(whole.mask[:, 0, length:])
    return TransformerInputs(
        token_ids=whole.token_ids[:, :text],
        token_types=whole.token_types[:, :text],
        positions=whole.positions[:, :text],
        regions=whole.regions[:, :regions],
        mask=torch.cat([whole.mask[:, :, :text], whole.mask[:, :, length : length + regions]], dim=2),
    )


def join_contexts(each: Sequence[CaptionContext]) -> CaptionContext:
    """Put the contexts of captions below each other; see `join_inputs`."""
    length = each[0].tag_ids.shape[1]
    whole = CaptionContext(*(torch.cat(parts) for parts in zip(*each, strict=True)))
    tags, regions = _used(whole.mask[:, 0, :length]), _used(whole.mask[:, 0, length:])
    tags = max(tags, int(regions == 0))  # attention within a context needs a column, though nobody sees it
    return CaptionContext(
        tag_ids=whole.tag_ids[:, :tags],
        regions=whole.regions[:, :regions],
        mask=torch.cat([whole.mask[:, :, :tags], whole.mask[:, :, length : length + regions]], dim=2),
    )


def join_rows(each: Sequence[Tensor], filler: int | bool) -> Tensor:
    """Put (n,) rows of different lengths below each other, filled up at their ends."""
    return torch.nn.utils.rnn.pad_sequence(list(each), batch_first=True, padding_value=filler)


def _used(mask: Tensor) -> int:
    """Return how many columns of a (B, n) mask there are up to the last that anybody sees."""
    seen = (mask > HIDDEN).any(dim=0).nonzero()
    return int(seen[-1]) + 1 if len(seen) else 0


def chance(generator: torch.Generator) -> float:
    """Draw a number from 0 to 1."""
    return float(torch.rand((), generator=generator))


def another(count: int, than: int, generator: torch.Generator) -> int:
    """Draw a number below `count`, but not `than`; of one alone there is no other."""
    drawn = int(torch.randint(max(count - 1, 1), (), generator=generator))
    return drawn + (drawn >= than) if count > 1 else than
