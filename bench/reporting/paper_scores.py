"""The accuracies of the paper's Tables 3, 6, 7 and 8 as printed there, on COCO, VQA 2.0 and NLVR2, and nothing else.

NLVR2's two columns are in the order of the printed header; OSCAR's own paper has its two numbers the other way round.
"""

from collections.abc import Mapping
from types import MappingProxyType

Values = tuple[float | None, ...]

TABLE_3_COLUMNS = ("BLEU-4", "METEOR", "CIDEr", "SPICE", "VQA accuracy")
TABLE_3: Mapping[str, Values] = MappingProxyType(
    {
        "OSCAR_B": (36.5, 30.3, 123.7, 23.1, 73.16),
        "BERT to MiniLM": (35.0, 28.5, 118.8, 21.7, 68.69),
        "R101-F to TEE-0": (34.6, 28.4, 118.7, 21.6, 69.31),
        "baseline": (34.0, 27.8, 115.0, 21.2, 68.14),
        "+ O": (34.3, 28.1, 116.7, 21.3, 68.54),
        "+ O + H": (34.7, 28.3, 117.7, 21.4, 68.85),
        "+ O + H + DD (MiniVLM)": (35.6, 28.6, 119.8, 21.6, 69.09),
    }
)
TABLE_6_COLUMNS = ("BLEU-4", "METEOR", "CIDEr", "SPICE")
TABLE_6: Mapping[str, Values] = MappingProxyType(
    {
        "BUTD": (36.2, 27.0, 113.5, 20.3),
        "Grid": (36.4, 27.4, 113.8, 20.7),
        "AoANet": (37.2, 28.4, 119.8, 21.3),
        "OSCAR_B": (36.5, 30.3, 123.7, 23.1),
        "MiniVLM": (35.6, 28.6, 119.8, 21.6),
    }
)
"""Cross-entropy."""
TABLE_6_CIDER: Mapping[str, Values] = MappingProxyType(
    {
        "BUTD": (36.3, 27.7, 120.1, 21.4),
        "AoANet": (38.9, 29.2, 129.8, 22.4),
        "OSCAR_B": (40.5, 29.7, 137.6, 22.8),
        "MiniVLM": (39.2, 29.7, 131.7, 23.5),
    }
)
"""CIDEr optimisation."""
TABLE_7_COLUMNS = ("VQA test-std", "VQA test-dev", "NLVR2 test-P", "NLVR2 dev")
TABLE_7: Mapping[str, Values] = MappingProxyType(
    {
        "BUTD": (70.34, None, None, None),
        "Grid": (None, 72.59, None, None),
        "PixelBERT (R50)": (71.42, 71.35, 71.7, 72.4),
        "PixelBERT (X152)": (74.55, 74.45, 76.5, 77.2),
        "VisualBERT": (71.00, 70.80, 67.4, 67.0),
        "OSCAR_B": (73.44, 73.16, 78.07, 78.36),
        "MiniVLM": (69.44, 69.09, 73.93, 73.71),
    }
)
TABLE_8_COLUMNS = tuple(f"{kind} R@{cut}" for kind in ("text", "image") for cut in (1, 5, 10))
TABLE_8_1K: Mapping[str, Values] = MappingProxyType(
    {
        "PixelBERT (R50)": (77.8, 95.4, 98.2, 64.1, 91.0, 96.2),
        "PixelBERT (X152)": (84.9, 97.7, 99.3, 71.6, 93.7, 97.4),
        "Unicoder-VL_B": (84.3, 97.3, 99.3, 69.7, 93.5, 97.2),
        "OSCAR_B": (88.4, 99.1, 99.8, 75.7, 95.2, 98.3),
        "MiniVLM": (81.1, 96.1, 99.2, 68.5, 93.0, 97.1),
    }
)
TABLE_8_5K: Mapping[str, Values] = MappingProxyType(
    {
        "PixelBERT (R50)": (53.4, 80.4, 88.5, 41.1, 69.7, 80.5),
        "PixelBERT (X152)": (63.6, 87.5, 93.6, 50.1, 77.6, 86.2),
        "Unicoder-VL_B": (62.3, 87.1, 92.8, 46.7, 76.0, 85.3),
        "OSCAR_B": (70.0, 91.1, 95.5, 54.0, 80.8, 88.5),
        "MiniVLM": (58.8, 85.1, 91.7, 45.0, 74.1, 84.0),
    }
)
FIGURE_1: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "caption": (119.8, 123.7),
        "vqa": (69.44, 73.44),
        "nlvr2": (73.93, 78.07),
        "text retrieval": (91.7, 95.5),
        "image retrieval": (84.0, 88.5),
    }
)
"""MiniVLM's and OSCAR_B's: CIDEr, VQA test-std, NLVR2 test-P, R@10 on the 5K set (section 4.4)."""
FIGURE_4: Mapping[str, tuple[float, float]] = MappingProxyType({"bert-base": (118.7, 69.31), "minilm": (115.0, 68.14)})
"""CIDEr and VQA with TEE-0 (Table 3): of Figure 4's dots those that the paper's text has numbers for. Their times are
`paper.LATENCY_MS`."""
