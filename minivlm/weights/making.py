"""Making checkpoint folders: all random, or put together from weights that others published."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from minivlm.errors import UserError
from minivlm.language.tokenizer import WordPieceTokenizer
from minivlm.models.registry import get_config, vision_language_config
from minivlm.models.sizes import sizes_of, with_sizes
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.storage.folders import check_new, new_folder
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights import checkpoint
from minivlm.weights.backbone import BackboneReport
from minivlm.weights.bert import LoadReport, find_folder, load_folder
from minivlm.weights.bert_vocabulary import SourceVocabulary, read_source_vocabulary
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import (
    VOCABULARY,
    Labels,
    copy_labels,
    random_labels,
    read_attributes,
    read_tags,
    read_vocabulary,
    write_labels,
)
from minivlm.weights.lite import load_start
from minivlm.weights.loading import NamedModel, WeightsOrigin, describe_model, draw_detector, load_model
from minivlm.weights.state_dicts import modules_of

DETECTORS_BACKBONE = "backbone.efficientnet"
BACKBONE = f"vision.{DETECTORS_BACKBONE}"


def make_random(
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    vocabulary: Path | None = None,
) -> CheckpointInfo:
    """Write a checkpoint of seeded random weights, with made-up tags, attributes and answers.

    Args:
        folder: Must not exist yet, or be empty.
        name: A vision-language model.
        seed: Of the weights.
        sizes: Where they differ from the model's own; see `minivlm.models.sizes`.
        vocabulary: File with as many lines as the model has tokens; None takes one that comes with the package.

    Raises:
        UserError: No such model or size, no vocabulary of that size, or the folder is in use or cannot be written.
    """
    config = with_sizes(vision_language_config(name), sizes or {})
    check_new(folder, "the checkpoint")
    labels = random_labels(config, None if vocabulary is None else read_vocabulary(vocabulary, config))
    model = load_model(name, seed=seed, sizes=sizes)
    info = CheckpointInfo(name, model.origin.description, random=True, heads=config.heads)
    return write_checkpoint(folder, model.module, info, labels)


def import_weights(
    folder: Path,
    name: str,
    *,
    bert: str | None = None,
    backbone: str | None = None,
    detector: Path | None = None,
    vocabulary: Path | None = None,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> CheckpointInfo:
    """Write a checkpoint from weights of the parts; what these do not hold is seeded random, names made up.

    A detector alone gets what training starts from, and no names: data to train on has them.

    Args:
        folder: Must not exist yet, or be empty.
        name: A vision-language model, or a TEE.
        bert: For the transformer: see `bert.find_folder`. Its vocabulary becomes the checkpoint's.
        backbone: For the EfficientNet: see `lite.load_start`.
        detector: Checkpoint folder of the detector, or of a model that has it; its tags become the checkpoint's.
        vocabulary: File with as many lines as the model has tokens; None takes that of `bert`, or one that comes with
            the package.
        seed: Of the random weights.
        sizes: Where they differ from the model's own; see `minivlm.models.sizes`. Imported weights must have them.

    Returns:
        What was written; its `sources` say what came from where, what was assumed, and what was left out.

    Raises:
        UserError: Nothing to import, weights that cannot be had or do not fit, or a folder in use.
    """
    alone = get_config(name)
    if isinstance(alone, TEEConfig):
        if backbone is None or (bert, detector, vocabulary) != (None, None, None):
            raise UserError(
                f"{name} is a detector, of which --backbone alone gives weights: pass that and nothing else"
            )
        return _start_detector(folder, name, with_sizes(alone, sizes or {}), backbone, seed)
    _check_sources(bert, backbone, detector, vocabulary)
    sizes = {**({} if detector is None else detector_sizes(detector)), **(sizes or {})}
    config = with_sizes(vision_language_config(name), sizes)
    check_new(folder, "the checkpoint")
    model = load_model(name, seed=seed, sizes=sizes)
    sources, details = {}, {}
    if detector is not None:
        sources["vision"] = _import_detector(model, detector)
    if backbone is not None:
        found = _import_backbone(model, backbone)
        sources[BACKBONE] = backbone
        details[BACKBONE] = f"{backbone} ({found.convention})"
        details[f"left out of {backbone}"] = modules_of(found.ignored)
    tokenizer = None if vocabulary is None else read_vocabulary(vocabulary, config)
    if bert is not None:
        report, theirs = _import_bert(model, bert)
        sources.update({f"language.{part}": bert for part in report.loaded} | {VOCABULARY: bert})
        details[VOCABULARY] = f"{bert} ({theirs.file})"
        details[f"left out of {bert}"] = modules_of(report.ignored)
        tokenizer = WordPieceTokenizer.of_tokens(theirs.tokens, f"{bert} ({theirs.file})")
    sources["everything else"] = model.origin.description
    told = sources | {part: text for part, text in details.items() if text}
    info = CheckpointInfo(name, _summary(sources), random=True, heads=config.heads, sources=told)
    labels = random_labels(config, tokenizer)
    if detector is not None:
        tags, attributes = (read(detector, config.vision) for read in (read_tags, read_attributes))
        labels = replace(labels, tags=tags, attributes=attributes)
    return write_checkpoint(folder, model.module, info, labels)


def halve(source: Path, folder: Path) -> CheckpointInfo:
    """Write a checkpoint again at half the size; see `checkpoint.save_halved`.

    Args:
        source: A checkpoint.
        folder: Must not exist yet, or be empty.

    Raises:
        UserError: No checkpoint, a weight that float16 has no number for, or a folder in use.
    """
    info = checkpoint.read_info(source)
    model = load_model(checkpoint=source)
    with new_folder(folder, "the checkpoint") as made:
        copy_labels(source, made)
        checkpoint.save_halved(made, model.module, info)
    return info


def _start_detector(folder: Path, name: str, config: TEEConfig, backbone: str, seed: int) -> CheckpointInfo:
    """Write what the training of a detector alone starts from."""
    check_new(folder, "the checkpoint")
    module = draw_detector(config, seed)
    found = load_start(module.backbone.efficientnet, backbone)
    drawn = WeightsOrigin.of_seed(seed).description
    sources = {DETECTORS_BACKBONE: f"{backbone} ({found.convention})", "everything else": f"drawn to train, {drawn}"}
    summary = f"{DETECTORS_BACKBONE}: {backbone}; everything else: {sources['everything else']}"
    info = CheckpointInfo(name, summary, random=True, sources=sources)
    with new_folder(folder, "the checkpoint") as made:
        checkpoint.save(made, module, info)
    return info


def write_checkpoint(folder: Path, module: nn.Module, info: CheckpointInfo, labels: Labels) -> CheckpointInfo:
    """Write a vision-language model's checkpoint as a whole or not at all.

    Args:
        folder: Must not exist yet, or be empty.
        module: A model of the name in `info`, with its heads.
        info: Becomes config.json.
        labels: What the model's ids mean.

    Raises:
        UserError: The folder is in use or cannot be written, or a weight is not finite.
    """
    with new_folder(folder, "the checkpoint") as made:
        write_labels(made, labels)
        checkpoint.save(made, module, info)
    return info


def detector_sizes(folder: Path) -> dict[str, int]:
    """Return how many tags and attributes a checkpoint's detector has.

    Raises:
        UserError: The folder is no checkpoint.
    """
    found = sizes_of(describe_model(None, checkpoint=folder).config)
    return {name: found[name] for name in ("tags", "attributes") if name in found}


def _check_sources(bert: str | None, backbone: str | None, detector: Path | None, vocabulary: Path | None) -> None:
    """Refuse no source, and two of one thing."""
    if bert is None and backbone is None and detector is None:
        raise UserError("nothing to import: pass --bert, --backbone or --detector, or make a random checkpoint instead")
    if backbone is not None and detector is not None:
        raise UserError("--backbone and --detector both bring a backbone: leave one of the two out")
    if bert is not None and vocabulary is not None:
        raise UserError("--bert brings the vocabulary of its weights: leave --vocabulary out")


def _import_detector(model: NamedModel, folder: Path) -> str:
    """Copy a checkpoint's detector; returns where its weights come from."""
    assert isinstance(model.module, VisionLanguageModel)
    found = load_model(checkpoint=folder)
    module = found.module.vision if isinstance(found.module, VisionLanguageModel) else found.module
    wanted = model.module.vision
    if module.config != wanted.config:
        raise UserError(f"{folder} holds {found.name}, which is not the detector of {model.name}: give one that is")
    wanted.load_state_dict(module.state_dict())
    return found.origin.description


def _import_backbone(model: NamedModel, source: str) -> BackboneReport:
    module = model.module
    if not isinstance(module, VisionLanguageModel) or not isinstance(module.vision, TEE):
        raise UserError(f"--backbone takes an EfficientNet, and {model.name} has none: leave it out")
    return load_start(module.vision.backbone.efficientnet, source)


def _import_bert(model: NamedModel, source: str) -> tuple[LoadReport, SourceVocabulary]:
    assert isinstance(model.module, VisionLanguageModel)
    transformer = model.module.language
    folder = find_folder(source)
    report = load_folder(transformer, folder, source)
    return report, read_source_vocabulary(folder, transformer.config.vocabulary, source)


def _summary(sources: Mapping[str, str]) -> str:
    """Say in one line which parts came from where, grouped by source."""
    by_source: dict[str, list[str]] = {}
    for part, source in sources.items():
        by_source.setdefault(source, []).append(part)
    return "; ".join(f"{', '.join(parts)}: {source}" for source, parts in by_source.items())
