"""Two eager ways to compute a captioning step: the definition, and the same with cached keys and values.

Shapes: R hypotheses, C context rows (tags and regions), n caption tokens so far, H heads, d head width, V vocabulary.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from minivlm.language.attention import bounded
from minivlm.language.layout import HIDDEN, CaptionContext, CaptionLayout
from minivlm.language.transformer import FusionTransformer

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, (R, H, rows, d) each."""
Remember = Callable[[int, Tensor, Tensor], KeysValues]
"""Takes a layer's number and its new rows' keys and values; returns all that they ask, their own last."""


def embed_context(transformer: FusionTransformer, tag_ids: Tensor, tag_positions: Tensor, regions: Tensor) -> Tensor:
    """Embed tags (1, tag_length) and regions (1, N, D) as the (1, C, h) context rows."""
    tags = transformer.embed(tag_ids, torch.ones_like(tag_ids), tag_positions)
    return torch.cat([tags, transformer.project(regions)], dim=1)


def context_keys_values(transformer: FusionTransformer, rows: Tensor, mask: Tensor) -> list[KeysValues]:
    """Run the encoder on (1, C, h) context rows and keep what captions ask of it, layer by layer.

    What the last layer makes of the rows is not computed: nobody asks for it.
    """
    kept: list[KeysValues] = []
    mask = bounded(mask)
    *layers, last = transformer.encoder
    for layer in layers:
        queries, keys, values = layer.attention.project(rows)
        kept.append((keys, values))
        rows = layer(rows, queries, keys, values, mask)
    _, keys, values = last.attention.project(rows)
    return [*kept, (keys, values)]


def step_layers(transformer: FusionTransformer, rows: Tensor, remember: Remember, mask: Tensor) -> Tensor:
    """Run new rows through all layers on top of what is cached.

    Args:
        transformer: In eval mode.
        rows: (R, 2, h) embedded last token and [MASK].
        remember: The cache.
        mask: (1, 2, all keys) additive; the two new rows' keys come last.

    Returns:
        The encoded rows (R, 2, h).
    """
    mask = bounded(mask)
    for number, layer in enumerate(transformer.encoder):
        queries, *new = layer.attention.project(rows)
        rows = layer(rows, queries, *remember(number, *new), mask)
    return rows


class FullSession:
    """The definition: the whole sequence, [MASK] at its end, through the whole transformer at every step.

    Args:
        transformer: In eval mode.
        layout: The one that made the context.
        context: What the caption is about.
        mask_token: Id of [MASK].
    """

    def __init__(
        self, transformer: FusionTransformer, layout: CaptionLayout, context: CaptionContext, mask_token: int
    ) -> None:
        self._transformer = transformer
        self._layout = layout
        self._context = context
        self._mask_token = mask_token
        self._captions = context.tag_ids.new_empty(1, 0)  # (R, n)

    @torch.inference_mode()
    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `CaptionSession.advance`."""
        device = self._context.tag_ids.device
        self._captions = torch.cat([self._captions[list(parents)], torch.tensor(tokens, device=device)[:, None]], dim=1)
        count, length = self._captions.shape
        masks = torch.full((count, 1), self._mask_token, device=device)
        token_ids = torch.cat([self._captions, masks], dim=1)  # (R, n + 1)
        positions = torch.arange(length + 1, device=device).expand_as(token_ids)
        caption = self._transformer.embed(token_ids, torch.zeros_like(token_ids), positions)
        context = embed_context(
            self._transformer, self._context.tag_ids, self._layout.tag_positions(device), self._context.regions
        )
        rows = torch.cat([caption, context.expand(count, -1, -1)], dim=1)
        encoded = self._transformer.encode(rows, self._layout.sequence_mask(length + 1, self._context.mask))
        return self._transformer.caption_head(encoded[:, length])


class CachedSession:
    """Tags and regions go through the transformer once; a step computes two rows, the last token and [MASK].

    The last token is computed again because it was [MASK] in the step before; [MASK]'s keys and values are written over
    in the next step. Equal to `FullSession`, because no kept row can see a later one.

    Args:
        transformer: In eval mode; in its `thin` form it is faster.
        layout: The one that made the context; there is room for `caption_length` tokens.
        context: What the caption is about.
        mask_token: Id of [MASK].
    """

    def __init__(
        self, transformer: FusionTransformer, layout: CaptionLayout, context: CaptionContext, mask_token: int
    ) -> None:
        self._transformer = transformer
        self._context_mask = context.mask
        self._mask_token = mask_token
        self._length = 0
        with torch.inference_mode():
            positions = layout.tag_positions(context.tag_ids.device)
            rows = embed_context(transformer, context.tag_ids, positions, context.regions)
            kept = context_keys_values(transformer, rows, context.mask)
            room = (0, 0, 0, layout.caption_length)
            self._cache = pad(torch.stack([piece for pair in kept for piece in pair]), room)  # (2 L, R, H, C + M, d)

    @torch.inference_mode()
    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `CaptionSession.advance`."""
        device = self._context_mask.device
        token_ids = torch.tensor([[token, self._mask_token] for token in tokens], device=device)  # (R, 2)
        positions = torch.tensor([[self._length, self._length + 1]], device=device)
        rows = self._transformer.embed(token_ids, torch.zeros_like(token_ids), positions)
        if list(parents) != list(range(self._cache.shape[1])):
            self._cache = self._cache.index_select(1, torch.tensor(parents, device=device))
        encoded = step_layers(self._transformer, rows, self._memory(), self._mask())
        self._length += 1
        return self._transformer.caption_head(encoded[:, 1])

    def _memory(self) -> Remember:
        """Return what writes new rows behind those of all tokens before."""
        end = self._context_mask.shape[2] + self._length + 2
        seen = self._cache[:, :, :, :end].unbind()  # keys and values of each layer; cut all at once, as views take time
        new = self._cache[:, :, :, end - 2 : end].unbind()

        def remember(layer: int, keys: Tensor, values: Tensor) -> KeysValues:
            new[2 * layer].copy_(keys)
            new[2 * layer + 1].copy_(values)
            return seen[2 * layer], seen[2 * layer + 1]

        return remember

    def _mask(self) -> Tensor:
        """Return the (1, 2, C + n + 2) mask: everything cached is seen, and the last token does not see [MASK]."""
        past = torch.cat([self._context_mask, self._context_mask.new_zeros(1, 1, self._length)], dim=2)
        own = self._context_mask.new_tensor([[[0.0, HIDDEN], [0.0, 0.0]]])
        return torch.cat([past.expand(-1, 2, -1), own], dim=2)
