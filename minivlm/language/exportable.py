"""The captioning step as two static-shape graphs for runtimes without Python, and the loop that drives them.

A photo runs `Prefill` once; every token runs `Step`. Shapes never change and nothing is modified in place: the caller
hands the cache in and gets the next one back. `CompiledSession` drives any runtime's versions of the two.

Shapes: L layers, H heads, d head width, C context rows (tags and regions), M caption slots, V vocabulary, D the width
of a region vector. The batch is 1.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from minivlm.language.layout import HIDDEN, CaptionContext, CaptionLayout
from minivlm.language.sessions import KeysValues, context_keys_values, embed_context, step_layers
from minivlm.language.transformer import FusionTransformer

RunPrefill = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
RunStep = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Prefill(nn.Module):
    """What a photo and its tags offer to every step of its caption.

    Args:
        transformer: Its weights are shared, not copied.
        layout: Where the tags are.
    """

    tag_positions: Tensor

    def __init__(self, transformer: FusionTransformer, layout: CaptionLayout) -> None:
        super().__init__()
        self.transformer = transformer
        self.layout = layout
        self.register_buffer("tag_positions", layout.tag_positions(), persistent=False)

    def forward(self, tag_ids: Tensor, regions: Tensor, context_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Run the encoder on the context; the arguments are the fields of `CaptionContext`.

        Args:
            tag_ids: (1, tag_length) int64.
            regions: (1, N, D) float.
            context_mask: (1, 1, C) float, 0 or `HIDDEN`.

        Returns:
            keys: (L, 1, H, C, d), values: (L, 1, H, C, d).
        """
        rows = embed_context(self.transformer, tag_ids, self.tag_positions, regions)
        return _stack(context_keys_values(self.transformer, rows, context_mask))

    def example_inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return arguments to trace with; their values mean nothing."""
        layout, region_dim = self.layout, self.transformer.config.region_dim
        return (
            torch.zeros(1, layout.tag_length, dtype=torch.int64),
            torch.zeros(1, layout.regions, region_dim),
            torch.zeros(1, 1, layout.context_length),
        )


class Step(nn.Module):
    """One token of a caption: what follows `last_token`?

    Args:
        transformer: Its weights are shared, not copied.
        layout: `caption_length` is the number of cache slots.
        mask_token: Id of [MASK].
    """

    mask_token: Tensor
    token_types: Tensor
    slots: Tensor
    own_mask: Tensor

    def __init__(self, transformer: FusionTransformer, layout: CaptionLayout, mask_token: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.layout = layout
        self.register_buffer("mask_token", torch.tensor([mask_token]), persistent=False)
        self.register_buffer("token_types", torch.zeros(1, 2, dtype=torch.int64), persistent=False)
        self.register_buffer("slots", torch.arange(layout.caption_length), persistent=False)
        # The two new rows' view of each other: the last token does not see [MASK].
        self.register_buffer("own_mask", torch.tensor([[[0.0, HIDDEN], [0.0, 0.0]]]), persistent=False)

    def forward(
        self,
        last_token: Tensor,
        position: Tensor,
        context_keys: Tensor,
        context_values: Tensor,
        context_mask: Tensor,
        caption_keys: Tensor,
        caption_values: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the last token's row and [MASK]'s behind it.

        Args:
            last_token: (1,) int64; [CLS] in the first step.
            position: (1,) int64, where it stands: 0 in the first step, at most M - 2.
            context_keys: (L, 1, H, C, d) of `Prefill`.
            context_values: (L, 1, H, C, d) of `Prefill`.
            context_mask: (1, 1, C), as given to `Prefill`.
            caption_keys: (L, 1, H, M, d) of the step before; zeros in the first.
            caption_values: (L, 1, H, M, d) likewise.

        Returns:
            logits: (1, V) of the next token; caption_keys and caption_values with slot `position` filled in.
        """
        token_ids = torch.cat([last_token, self.mask_token])[None]
        positions = torch.cat([position, position + 1])[None]
        rows = self.transformer.embed(token_ids, self.token_types, positions)
        written = torch.where(self.slots < position, 0.0, HIDDEN)[None, None].to(context_mask.dtype)  # (1, 1, M)
        past_mask = torch.cat([context_mask, written], dim=2)
        mask = torch.cat([torch.cat([past_mask, past_mask], dim=1), self.own_mask], dim=2)  # (1, 2, C + M + 2)
        kept: list[KeysValues] = []

        def remember(layer: int, keys: Tensor, values: Tensor) -> KeysValues:
            kept.append((keys[:, :, :1], values[:, :, :1]))
            return (
                torch.cat([context_keys[layer], caption_keys[layer], keys], dim=2),
                torch.cat([context_values[layer], caption_values[layer], values], dim=2),
            )

        encoded = step_layers(self.transformer, rows, remember, mask)

        # Writing after the layers, all at once, leaves them a plain chain that a delegate can take whole.
        here = torch.eq(self.slots, position)[:, None]  # (M, 1)
        new_keys, new_values = _stack(kept)
        caption_keys = torch.where(here, new_keys, caption_keys)
        caption_values = torch.where(here, new_values, caption_values)
        return self.transformer.caption_head(encoded[:, 1]), caption_keys, caption_values

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return arguments to trace with; their values mean nothing.

        No two are the same tensor: `torch.export` takes two uses of one example tensor for one input.
        """
        context = self.layout.context_length
        return (
            torch.zeros(1, dtype=torch.int64),
            torch.zeros(1, dtype=torch.int64),
            *_empty_cache(self.transformer, context),
            torch.zeros(1, 1, context),
            *_empty_cache(self.transformer, self.layout.caption_length),
        )


class CompiledSession:
    """Drives `Prefill` and `Step`, or what a runtime made of them.

    Args:
        prefill: Called once.
        step: Called once a hypothesis and token; every hypothesis has a cache of its own.
        layout: The one that the two were built with.
        context: What the caption is about.
    """

    def __init__(self, prefill: RunPrefill, step: RunStep, layout: CaptionLayout, context: CaptionContext) -> None:
        self._step = step
        self._context_mask = context.mask
        with torch.no_grad():
            self._context = prefill(*context)
        layers, batch, heads, _, width = self._context[0].shape
        empty = self._context[0].new_zeros(layers, batch, heads, layout.caption_length, width)
        self._caches: list[KeysValues] = [(empty, empty)]
        self._position = 0

    @torch.no_grad()
    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `CaptionSession.advance`."""
        position = torch.tensor([self._position], device=self._context_mask.device)
        logits, caches = [], []
        for parent, token in zip(parents, tokens, strict=True):
            last_token = torch.full_like(position, token)
            row, keys, values = self._step(
                last_token, position, *self._context, self._context_mask, *self._caches[parent]
            )
            logits.append(row)
            caches.append((keys, values))
        self._caches = caches
        self._position += 1
        return torch.cat(logits)


def _empty_cache(transformer: FusionTransformer, rows: int) -> tuple[Tensor, Tensor]:
    """Return keys and values of nothing, (L, 1, H, rows, d) each."""
    config = transformer.config
    shape = (config.layers, 1, config.heads, rows, config.head_dim)
    return torch.zeros(shape), torch.zeros(shape)


def _stack(layers: Sequence[KeysValues]) -> tuple[Tensor, Tensor]:
    """Stack every layer's keys, and every layer's values."""
    keys, values = zip(*layers, strict=True)
    return torch.stack(keys), torch.stack(values)
