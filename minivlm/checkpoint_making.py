"""Making checkpoint folders: all random, or put together from weights that others published."""

from collections.abc import Mapping
from pathlib import Path

from minivlm import checkpoint
from minivlm.checkpoint import CheckpointInfo
from minivlm.errors import UserError
from minivlm.files import exists, is_file, is_folder
from minivlm.language.hf import load_pretrained
from minivlm.model import VisionLanguageModel
from minivlm.registry import NamedModel, load_model, vision_language_config
from minivlm.sizes import with_sizes
from minivlm.vision.pretrained import load_backbone
from minivlm.vision.tee import TEE
from minivlm.words import VOCABULARY, Words, random_words, write_words

BACKBONE = "vision.backbone.efficientnet"


def make_random(
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    vocabulary: Path | None = None,
) -> CheckpointInfo:
    """Write a checkpoint of seeded random weights, with made-up tags and answers.

    Args:
        folder: Must not exist yet, or be empty.
        name: A vision-language model.
        seed: Of the weights.
        sizes: Where they differ from the model's own; see `minivlm.sizes`.
        vocabulary: File with as many lines as the model has tokens; None takes one that comes with the package.

    Raises:
        UserError: No such model or size, no vocabulary of that size, or the folder is in use or cannot be written.
    """
    config = with_sizes(vision_language_config(name), sizes or {})
    check_free(folder)
    words = random_words(config, vocabulary)
    model = load_model(name, seed=seed, sizes=sizes)
    info = CheckpointInfo(name, model.origin.description, random=True, heads=config.heads)
    return _write(folder, model, info, words)


def import_weights(
    folder: Path,
    name: str,
    *,
    bert: str | None = None,
    backbone: str | None = None,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> CheckpointInfo:
    """Write a checkpoint from published weights; what these do not hold is seeded random, and so are tags and answers.

    Args:
        folder: Must not exist yet, or be empty.
        name: A vision-language model.
        bert: For the transformer: see `hf.load_pretrained`. A vocab.txt in a local folder becomes the checkpoint's.
        backbone: For the EfficientNet: see `pretrained.load_backbone`.
        seed: Of the random weights.
        sizes: Where they differ from the model's own; see `minivlm.sizes`. Imported weights must have them.

    Returns:
        What was written; its `sources` say what came from where.

    Raises:
        UserError: Nothing to import, weights that cannot be had or do not fit, or a folder in use.
    """
    config = with_sizes(vision_language_config(name), sizes or {})
    if bert is None and backbone is None:
        raise UserError("nothing to import: pass --bert, --backbone or both, or make a random checkpoint instead")
    check_free(folder)
    model = load_model(name, seed=seed, sizes=sizes)
    sources: dict[str, str] = {}
    if backbone is not None:
        _import_backbone(model, backbone)
        sources[BACKBONE] = backbone
    if bert is not None:
        module = model.module
        assert isinstance(module, VisionLanguageModel)
        report = load_pretrained(module.language, bert)
        sources.update({f"language.{part}": bert for part in report.loaded})
    sources["everything else"] = model.origin.description
    info = CheckpointInfo(name, _summary(sources), random=True, heads=config.heads, sources=sources)
    own_vocabulary = Path(bert) / VOCABULARY if bert is not None else None
    found = own_vocabulary if own_vocabulary is not None and is_file(own_vocabulary) else None
    return _write(folder, model, info, random_words(config, found))


def check_free(folder: Path) -> None:
    """Refuse a folder in which a checkpoint could overwrite something.

    Raises:
        UserError: It is not a folder, or not empty.
    """
    if exists(folder) and not is_folder(folder):
        raise UserError(f"{folder} is a file: name a new folder for the checkpoint")
    if is_folder(folder) and any(folder.iterdir()):
        raise UserError(f"the folder {folder} is not empty: name a new one for the checkpoint, or empty it")


def _import_backbone(model: NamedModel, source: str) -> None:
    module = model.module
    if not isinstance(module, VisionLanguageModel) or not isinstance(module.vision, TEE):
        raise UserError(f"--backbone takes an EfficientNet, and {model.name} has none: leave it out")
    load_backbone(module.vision.backbone.efficientnet, source)


def _summary(sources: Mapping[str, str]) -> str:
    """Say in one line which parts came from where, grouped by source."""
    by_source: dict[str, list[str]] = {}
    for part, source in sources.items():
        by_source.setdefault(source, []).append(part)
    return "; ".join(f"{', '.join(parts)}: {source}" for source, parts in by_source.items())


def _write(folder: Path, model: NamedModel, info: CheckpointInfo, words: Words) -> CheckpointInfo:
    write_words(folder, words)
    checkpoint.save(folder, model.module, info)
    return info
