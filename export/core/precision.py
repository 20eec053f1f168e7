"""In which numbers layers are stored and computed: an ordered table of rules, the same language for every format.

A backend has a default table; `--keep-float` puts rules in front of it; the first rule that fits a layer decides. What
no rule fits stays in float.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Mode(StrEnum):
    """How a layer's numbers are kept."""

    FLOAT = "float"
    """Nothing is rounded, but to the precision that the format computes floats in."""
    WEIGHT_ONLY = "weight-only"
    """Weights are stored in few bits and turned into floats before they are used."""
    DYNAMIC = "dynamic"
    """Weights in few bits; activations too, each row by the range that it happens to have; results are float."""
    STATIC = "static"
    """Weights and activations in few bits, activations in ranges measured beforehand."""


class Kind(StrEnum):
    """What a layer does. Formats have their own operators for each."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise"
    LINEAR = "linear"
    EMBEDDING = "embedding"
    ARITHMETIC = "arithmetic"
    """Sums, products, activation functions, padding, pooling: what has no weights."""


MATRICES = (Kind.CONVOLUTION, Kind.LINEAR, Kind.EMBEDDING)
WEIGHTED = (Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.LINEAR, Kind.EMBEDDING)


@dataclass(frozen=True)
class Rule:
    """What happens to the layers of some kinds in the modules that fit.

    Attributes:
        modules: Patterns of dotted names, such as "blocks.[456]" or "box_head.*". One that fits a module, from any of
            its name's components on, fits all that is in it.
        mode: How their numbers are kept.
        kinds: Of the layers.
        bits: Of what is rounded.
        group: Weights of a row, one after another, that share a scale; 0 where all of a row do.
        backbones: Of the detectors that it holds for, as timm names them; none where it holds for every model.
    """

    modules: tuple[str, ...]
    mode: Mode
    kinds: tuple[Kind, ...] = tuple(Kind)
    bits: int = 8
    group: int = 0
    backbones: tuple[str, ...] = ()

    def fits(self, module: str, kind: Kind) -> bool:
        """Tell whether a layer, by its module's dotted name within whatever wraps it, falls under this rule."""
        return kind in self.kinds and any(fits_name(pattern, module) for pattern in self.modules)

    def __str__(self) -> str:
        kinds = "" if self.kinds == tuple(Kind) else f" ({', '.join(self.kinds)})"
        rounded = "" if self.mode is Mode.FLOAT else f", {self.bits} bits"
        grouped = f" in groups of {self.group}" if self.group else ""
        of = f" of {', '.join(self.backbones)}" if self.backbones else ""
        return f"{', '.join(self.modules)}{of}{kinds}: {self.mode}{rounded}{grouped}"


CLAMPED = ("efficientnet_lite0",)
"""Backbones whose activations are ReLU6, which an integer kernel has at no cost as the range of its output. Swish is
computed in float between two integer layers, or by a table."""

GROUP = 32
"""Weights that share a scale where they are rounded to 4 bits: the most that every format's kernels take."""


def four_bits(mode: Mode, rest: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return a table for int4: the transformer's matrices and words in 4 bits, all else as another table has it.

    Not the projection of regions: its rows of 1,030 numbers do not divide into groups.

    Args:
        mode: How the matrices are used.
        rest: The table of int8; words are used as it has it.
    """
    matrices, words = ("encoder", "pooler", "caption_head"), "embeddings.words"
    return (
        Rule(matrices, mode, (Kind.LINEAR,), bits=4, group=GROUP),
        Rule((words,), deciding_rule(rest, words, Kind.EMBEDDING).mode, (Kind.EMBEDDING,), bits=4, group=GROUP),
        *rest,
    )


OTHERWISE = Rule(("*",), Mode.FLOAT)
"""What holds where no rule of a table fits."""


def fits_name(pattern: str, module: str) -> bool:
    """Tell whether a pattern fits a module, from any component of its dotted name on, or something around it."""
    parts = module.split(".")
    tails = [".".join(parts[start:]) for start in range(len(parts))]
    return any(fnmatchcase(tail, end) for tail in tails for end in (pattern, f"{pattern}.*"))


def deciding_rule(rules: Iterable[Rule], module: str, kind: Kind) -> Rule:
    """Return the first rule that fits a layer."""
    return next((rule for rule in rules if rule.fits(module, kind)), OTHERWISE)


def rules_of_backbone(rules: Iterable[Rule], backbone: str | None) -> tuple[Rule, ...]:
    """Return the rules that hold for a detector with a backbone; None is a model without one."""
    return tuple(rule for rule in rules if not rule.backbones or backbone in rule.backbones)


def kept_in_float(patterns: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules that leave modules in float, to be put in front of a table."""
    return tuple(Rule((pattern,), Mode.FLOAT) for pattern in patterns)


@dataclass(frozen=True)
class Decision:
    """What was decided about one layer with weights, and by which rule."""

    layer: str
    kind: Kind
    rule: Rule


def by_rule(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Return for each rule that decided anything its text, mode and bits, and the layers, for the sidecar."""
    found: dict[Rule, dict[str, None]] = {}
    for decision in decisions:
        found.setdefault(decision.rule, {})[decision.layer] = None
    return [
        {
            "rule": str(rule),
            "mode": str(rule.mode),
            "bits": None if rule.mode is Mode.FLOAT else rule.bits,
            "layers": list(layers),
        }
        for rule, layers in found.items()
    ]


def in_float(decisions: Sequence[Decision]) -> list[str]:
    """Return the layers with weights that stay in float, sorted."""
    return sorted({decision.layer for decision in decisions if decision.rule.mode is Mode.FLOAT})
