"""Two eager ways to compute a captioning step: the definition, and the same with cached keys and values.

Shapes: R hypotheses, C context rows (tags and regions), n caption tokens so far, H heads, d head width, V vocabulary.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from minivlm.language.layout import HIDDEN, CaptionContext, CaptionLayout
from minivlm.language.transformer import FusionTransformer

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, (R, H, rows, d) each."""


def embed_context(transformer: FusionTransformer, tag_ids: Tensor, tag_positions: Tensor, regions: Tensor) -> Tensor:
    """Embed tags (1, tag_length) and regions (1, N, D) as the (1, C, h) context rows."""
    tags = transformer.embed(tag_ids, torch.ones_like(tag_ids), tag_positions)
    return torch.cat([tags, transformer.project(regions)], dim=1)


def context_keys_values(transformer: FusionTransformer, rows: Tensor, mask: Tensor) -> list[KeysValues]:
    """Run the encoder on (1, C, h) context rows and keep what captions ask of it, layer by layer.

    What the last layer makes of the rows is not computed: nobody asks for it.
    """
    layers = list(transformer.encoder)
    kept = [layers[0].attention.keys_values(rows)]
    for layer, following in pairwise(layers):
        rows = layer(rows, *kept[-1], mask)
        kept.append(following.attention.keys_values(rows))
    return kept


def step_layers(
    transformer: FusionTransformer, rows: Tensor, past: Sequence[Sequence[KeysValues]], mask: Tensor
) -> tuple[Tensor, list[KeysValues]]:
    """Run new rows through all layers on top of what is cached.

    Args:
        transformer: In eval mode.
        rows: (R, 2, h) embedded last token and [MASK].
        past: For every layer, the cached pieces in key order.
        mask: (1, 2, all keys) additive; the two new rows' keys come last.

    Returns:
        The encoded rows (R, 2, h), and what every layer asked: all keys and values, (R, H, all keys, d) each.
    """
    asked: list[KeysValues] = []
    for layer, pieces in zip(transformer.encoder, past, strict=True):
        new = layer.attention.keys_values(rows)
        keys, values = (torch.cat(part, dim=2) for part in zip(*pieces, new, strict=True))
        rows = layer(rows, keys, values, mask)
        asked.append((keys, values))
    return rows, asked


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

    @torch.no_grad()
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

    The last token is computed again because it was [MASK] in the step before; of each step only its keys and values
    are kept. Equal to `FullSession`, because no kept row can see a later one.

    Args:
        transformer: In eval mode.
        layout: The one that made the context.
        context: What the caption is about.
        mask_token: Id of [MASK].
        stepper: What computes the steps: the same transformer in its `thin` form, or None for the transformer itself.
    """

    def __init__(
        self,
        transformer: FusionTransformer,
        layout: CaptionLayout,
        context: CaptionContext,
        mask_token: int,
        stepper: FusionTransformer | None = None,
    ) -> None:
        self._stepper = stepper or transformer
        self._context_mask = context.mask
        self._mask_token = mask_token
        self._length = 0
        with torch.no_grad():
            positions = layout.tag_positions(context.tag_ids.device)
            rows = embed_context(transformer, context.tag_ids, positions, context.regions)
            self._past = context_keys_values(transformer, rows, context.mask)  # (R, H, C + n, d) a layer

    @torch.no_grad()
    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `CaptionSession.advance`."""
        device = self._context_mask.device
        token_ids = torch.tensor([[token, self._mask_token] for token in tokens], device=device)  # (R, 2)
        positions = torch.tensor([[self._length, self._length + 1]], device=device)
        rows = self._stepper.embed(token_ids, torch.zeros_like(token_ids), positions)
        past = self._past
        if list(parents) != list(range(past[0][0].shape[0])):
            chosen = torch.tensor(parents, device=device)
            past = [(keys.index_select(0, chosen), values.index_select(0, chosen)) for keys, values in past]
        encoded, asked = step_layers(self._stepper, rows, [[piece] for piece in past], self._mask())
        self._past = [(keys[:, :, :-1], values[:, :, :-1]) for keys, values in asked]  # all but [MASK]
        self._length += 1
        return self._stepper.caption_head(encoded[:, 1])

    def _mask(self) -> Tensor:
        """Return the (1, 2, C + n + 2) mask: everything cached is seen, and the last token does not see [MASK]."""
        past = torch.cat([self._context_mask, self._context_mask.new_zeros(1, 1, self._length)], dim=2)
        own = self._context_mask.new_tensor([[[0.0, HIDDEN], [0.0, 0.0]]])
        return torch.cat([past.expand(-1, 2, -1), own], dim=2)
