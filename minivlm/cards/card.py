"""The model card of a checkpoint, from its own files and the records of its training and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from minivlm.cards.runs import Training, read_training
from minivlm.cards.scores import Score, ScoreFolder, Told, read_scores
from minivlm.errors import UserError
from minivlm.models.registry import get_config
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.scenes.drawings import LOOK
from minivlm.storage.files import exists, sha256, size_bytes
from minivlm.storage.json_files import read_object
from minivlm.storage.text_files import read_lines
from minivlm.weights.checkpoint import CheckpointInfo, read_info, weights_file
from minivlm.weights.labels import ANSWERS, ATTRIBUTES, TAGS

CARD = "MODEL_CARD.md"
TEMPLATE = "MODEL_CARD.md.j2"
ABOUT = "about.json"
LITE = "efficientnet-lite0"
NAMES: Mapping[str, str] = {
    "VG mAP@.5": "detection: VG mAP@.5 of the regions",
    "VG mAP@.5, all names": "detection: VG mAP@.5 of all names, as papers have it",
    "boxes found and named": "detection: boxes found and named",
    "attributes@.5": "detection: attributes of what is found",
    "region recall@.5": "detection: boxes found, whatever they are called",
    "true captions": "captions that are true of their picture",
    "CIDEr": "captions: CIDEr",
    "BLEU-4": "captions: BLEU-4",
    "text R@1": "retrieval: the right text first",
    "image R@1": "retrieval: the right picture first",
}
"""Metric -> what the card calls it; others by task and metric."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where the records are; everything may be missing, and the card then says that it is.

    Attributes:
        runs: Folders of trainings, in order.
        data: Folders of scenes with about.json, those of training and of the scores.
        scores: Name, best the split that was scored -> folder with the scores.
        blind: The same of a model that sees no picture.
        machine: What was trained on, in words.
    """

    runs: Sequence[Path] = ()
    data: Sequence[Path] = ()
    scores: Mapping[str, Path] = field(default_factory=dict)
    blind: Mapping[str, Path] = field(default_factory=dict)
    machine: str | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table of scores: what is counted, of how many, and by column what was reached."""

    name: str
    examples: str
    cells: tuple[str, ...]


def make_card(checkpoint: Path, evidence: Evidence, tell: Told = lambda text: None) -> str:
    """Return the card as Markdown.

    Args:
        checkpoint: That it is of.
        evidence: What is known of its making.
        tell: Is told what is read, as scores take a while.

    Raises:
        UserError: A folder is not what it should be.
    """
    info = read_info(checkpoint)
    abouts = [_about(folder) for folder in evidence.data]
    scenes = {about["split"]: folder for about, folder in zip(abouts, evidence.data, strict=True)}
    scored = {name: read_scores(folder, scenes.get(name), tell) for name, folder in evidence.scores.items()}
    blind = {name: read_scores(folder, scenes.get(name), tell) for name, folder in evidence.blind.items()}
    for name in blind:
        if name not in scored:
            raise UserError(
                f"--blind {name}=...: scores of that name are missing, to stand beside: add --scores {name}="
            )
    digest = sha256(weights_file(checkpoint))
    trainings = [read_training(folder) for folder in evidence.runs]
    environment = Environment(
        loader=PackageLoader("minivlm.cards"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text: str = environment.get_template(TEMPLATE).render(
        info=info,
        whole=isinstance(get_config(info.model), VisionLanguageConfig),
        sha256=digest,
        megabytes=f"{size_bytes(weights_file(checkpoint)) / 1e6:.1f}",
        counts={name: _count(checkpoint / name) for name in (TAGS, ATTRIBUTES, ANSWERS)},
        abouts=abouts,
        drawings={one["style"]: one for about in abouts for one in about["drawings"] if LOOK not in one["style"]},
        trainings=trainings,
        machine=evidence.machine,
        columns=_columns(scored, blind),
        rows=_rows(scored, blind),
        blind=bool(blind),
        others=_other_weights(scored, digest),
        lite=_began_with_lite(info, trainings),
    )
    return f"{text.strip()}\n"


def _about(folder: Path) -> dict[str, Any]:
    about = read_object(folder / ABOUT, "what scenes were made of", "give folders of minivlm data scenes")
    for key in ("split", "count", "size", "seed", "drawings", "backgrounds"):
        if key not in about:
            raise UserError(f"{folder / ABOUT} does not say its {key!r}: give folders of minivlm data scenes")
    return {**about, "drawn in": _drawn_in(about["drawings"])}


def _drawn_in(drawings: Sequence[Mapping[str, Any]]) -> str:
    """Name a set's styles; other looks of their drawings, which may be dozens, are counted."""
    names = [one["style"] for one in drawings]
    shown = [name for name in names if LOOK not in name]
    looks = len(names) - len(shown)
    return ", ".join(shown) + (f"; {looks} other looks of these" if looks else "")


def _count(path: Path) -> int:
    return len(read_lines(path, "names", "give one a line")) if exists(path) else 0


def _columns(scored: Mapping[str, ScoreFolder], blind: Mapping[str, ScoreFolder]) -> list[str]:
    return [column for name in scored for column in (name, *([f"{name}, blind"] if name in blind else []))]


def _rows(scored: Mapping[str, ScoreFolder], blind: Mapping[str, ScoreFolder]) -> list[Row]:
    """Return a row for each task and metric that any of the scores has."""
    keys = dict.fromkeys(key for one in scored.values() for key in one.scores)
    rows = []
    for task, metric in keys:
        found = [each for name in scored for each in (scored[name], *([blind[name]] if name in blind else []))]
        scores: list[Score | None] = [each.scores.get((task, metric)) for each in found]
        rows.append(
            Row(
                name=NAMES.get(metric, f"{task}: {metric}"),
                examples=" or ".join(dict.fromkeys(f"{score.examples:,}" for score in scores if score is not None)),
                cells=tuple("" if score is None else score.shown for score in scores),
            )
        )
    return rows


def _other_weights(scored: Mapping[str, ScoreFolder], digest: str) -> list[str]:
    """Return the starts of hashes of scored weights that are not this checkpoint's."""
    return sorted({other[:12] for one in scored.values() for other in one.weights if other != digest})


def _began_with_lite(info: CheckpointInfo, trainings: Sequence[Training]) -> bool:
    """Tell whether ImageNet's weights of EfficientNet-Lite0 are what the detector began with."""
    said = (info.origin, *info.sources.values(), *(one.backbone or "" for one in trainings))
    return any(LITE in text for text in said)
