"""The paper's values: Wang et al. 2020, "MiniVLM: A Smaller and Faster Vision-Language Model", and nothing else.

Parameters are in millions, costs in billions of multiply-adds, which the paper calls FLOPS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class PaperCost:
    """A row of a cost table; None where the paper gives no value."""

    params: float | None = None
    macs: float | None = None


@dataclass(frozen=True)
class PaperAccuracy:
    """An accuracy that needs data sets and training, and is therefore quoted, never measured."""

    name: str
    values: Mapping[Any, str]


TABLE_1 = MappingProxyType(
    {
        "grid-r50": PaperCost(23.5, 37.8),
        "grid-x101": PaperCost(86.9, 161.2),
        "r101-f": PaperCost(63.8, 767.0),
        "tee-0": PaperCost(7.5, 4.4),
    }
)
TABLE_1_ACCURACY = PaperAccuracy("mAP@0.5 on VG", MappingProxyType({"r101-f": "10.2", "tee-0": "9.9"}))

TABLE_2 = MappingProxyType(
    {
        "bert-base": PaperCost(134.3, 8.2),
        "bert-8": PaperCost(106.0, 5.8),
        "tinybert-6": PaperCost(91.8, 4.6),
        "bert-4": PaperCost(77.6, 3.3),
        "minilm": PaperCost(45.7, 2.3),
        "tinybert-4": PaperCost(24.3, 0.8),
    }
)

TABLE_3 = MappingProxyType(
    {
        ("r101-f", "bert-base"): PaperCost(198.1, 775.2),
        ("r101-f", "minilm"): PaperCost(109.5, 769.3),
        ("tee-0", "bert-base"): PaperCost(141.8, 12.6),
        ("tee-0", "minilm"): PaperCost(53.2, 6.7),
    }
)
TABLE_3_ACCURACY = PaperAccuracy(
    "CIDEr / VQA",
    MappingProxyType(
        {
            ("r101-f", "bert-base"): "123.7 / 73.16",
            ("r101-f", "minilm"): "118.8 / 68.69",
            ("tee-0", "bert-base"): "118.7 / 69.31",
            ("tee-0", "minilm"): "115.0 / 68.14",
        }
    ),
)

COMPONENTS = ("backbone", "rpn", "box_head")
TABLE_4 = MappingProxyType(
    {
        "r101-f": {"backbone": 27.6, "rpn": 4.7, "box_head": 31.4, "total": 63.8},
        "tee-0": {"backbone": 3.8, "rpn": 0.001, "box_head": 3.7, "total": 7.5},
    }
)
TABLE_5 = MappingProxyType(
    {
        "r101-f": {"backbone": 67.1, "rpn": 9.1, "box_head": 690.8, "total": 767.0},
        "tee-0": {"backbone": 3.3, "rpn": 0.03, "box_head": 1.1, "total": 4.4},
    }
)

TABLE_10 = MappingProxyType(
    {
        "tee-0": PaperCost(7.5, 4.4),
        "tee-1": PaperCost(10.6, 9.6),
        "tee-2": PaperCost(12.4, 17.6),
        "tee-3": PaperCost(17.0, 23.3),
    }
)
TABLE_10_ACCURACY = PaperAccuracy(
    "mAP@0.5 on VG", MappingProxyType({"tee-0": "9.9", "tee-1": "10.6", "tee-2": "11.3", "tee-3": "11.5"})
)

LATENCY_MS = MappingProxyType(
    {"tee-0": 393.9, "grid-r50": 699.8, "r101-f": 12300.0, "bert-base": 712.6, "minilm": 346.7}
)
"""Section 4.2: PyTorch, 4 threads of an Intel Xeon E5-2620 v4 at 2.10 GHz, one image at a time; the transformers'
are for captioning a whole image."""
LATENCY_SPREAD_MS = MappingProxyType(
    {"tee-0": 43.8, "grid-r50": 110.1, "r101-f": 3200.0, "bert-base": 176.1, "minilm": 49.8}
)
"""The standard deviations that section 4.2 gives for them."""
