"""All regions of a training in one table on an accelerator: batches bring numbers of rows, and no region travels twice.

A picture is shown hundreds of times. Read from files for each batch, its regions are a hundred times the bytes of all
else in it, and copying them between processes takes longer than what an accelerator computes from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from minivlm.inference.photo_regions import PhotoRegions
from minivlm.language.layout import CaptionContext, TransformerInputs
from minivlm.training.features import Place, RegionFolder

BYTES = 2
"""Of a number of the table, which is float16 as what is kept."""


@dataclass(frozen=True)
class Row:
    """What is known of a picture beside its regions' vectors.

    Attributes:
        size: Height and width of the photo in pixels.
        first: Number of its first row in the table.
        boxes: (N, 4) float32 xyxy pixels of the photo, likewise the other two, of valid regions.
        scores: (N,) float32.
        tags: (N,) int64.
    """

    size: tuple[int, int]
    first: int
    boxes: Tensor
    scores: Tensor
    tags: Tensor


class RegionTable:
    """The valid regions of pictures, see the module; reads like a `RegionFolder`.

    What `read` returns has the number of each row in place of features and geometry, so that all that arranges regions
    arranges numbers; `filled` puts vectors in their place, once a batch is on the device. Worker processes read, and
    never see the vectors.

    Args:
        folder: Where regions are kept.
        places: Of the pictures.
    """

    def __init__(self, folder: RegionFolder, places: Iterable[Place]) -> None:
        self._rows: dict[Place, Row] = {}
        parts: list[Tensor] = []
        count = 1  # the first row is zeros, as what fills a batch up
        for place in dict.fromkeys(places):
            regions = folder.read(place)
            best = regions.top(len(regions.scores))
            self._rows[place] = Row(best.photo_size, count, best.boxes, best.scores, best.tags)
            parts.append(best.vectors.half())
            count += len(best.scores)
        self._vectors = torch.cat([torch.zeros_like(parts[0][:1]), *parts]) if count > 1 else torch.zeros(1, 0)

    def __getstate__(self) -> dict[str, Any]:
        return {"_rows": self._rows, "_vectors": torch.zeros(1, 0)}

    def read(self, place: Place) -> PhotoRegions:
        """Return a picture's regions with numbers for vectors."""
        row = self._rows[place]
        numbers = torch.arange(row.first, row.first + len(row.scores), dtype=torch.float64)[:, None]
        return PhotoRegions(
            photo_size=row.size,
            boxes=row.boxes,
            scores=row.scores,
            tags=row.tags,
            features=numbers,
            geometry=numbers.new_zeros(len(numbers), 0),
        )

    def filled(self, batch: Any) -> Any:
        """Return a batch with vectors, (..., N, D + 6) float32, in place of numbers, (..., N, 1)."""
        if isinstance(batch, (TransformerInputs, CaptionContext)):
            self._vectors = self._vectors.to(batch.regions.device)  # stays there
            return batch._replace(regions=self._vectors[batch.regions[..., 0].long()].float())
        if isinstance(batch, tuple):
            return tuple(map(self.filled, batch))
        if is_dataclass(batch) and not isinstance(batch, type):
            return replace(batch, **{one.name: self.filled(getattr(batch, one.name)) for one in fields(batch)})
        return batch


def has_room(pictures: int, like: PhotoRegions) -> bool:
    """Tell whether there is an accelerator, and a table takes at most half of what it has free.

    Args:
        pictures: How many.
        like: The regions of one.
    """
    if torch.accelerator.current_accelerator(check_available=True) is None:
        return False
    free, _ = torch.accelerator.get_memory_info()
    return 2 * pictures * like.vectors.numel() * BYTES <= free
