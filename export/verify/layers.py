"""Which layer of a quantized model goes wrong, found from what every layer computes before and after."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby

import torch

from export.core.exporter import LayerOutput
from export.core.methods import Method
from export.verify.metrics import sqnr
from export.verify.tolerances import LAYER_SQNR


def weakest_layer(method: Method, outputs: Iterable[LayerOutput]) -> str | None:
    """Name the first layer that quantization takes below `LAYER_SQNR`.

    A layer of several operators is judged by what it gives, which is what the last of them computes: the mean that a
    normalisation takes away is nearly nothing, and any noise is more.

    Args:
        method: Tells which layers keep their rows in place; of the others nothing can be said.
        outputs: In the order of execution; no more is asked for than is needed, and one.

    Returns:
        Its dotted name; None if all is well.
    """
    for layer, exact, quantized in _given(outputs):
        # Equal ones may hold infinities, such as a pooling's padding, of which no ratio can be taken.
        differs = method.keeps_places(layer) and not torch.equal(exact, quantized)
        if differs and not sqnr(exact, quantized) >= LAYER_SQNR:
            return layer
    return None


def _given(outputs: Iterable[LayerOutput]) -> Iterator[LayerOutput]:
    """Yield the last of the outputs of one layer that follow one another."""
    for _, following in groupby(outputs, key=lambda output: output.layer):
        yield deque(following, maxlen=1)[0]
