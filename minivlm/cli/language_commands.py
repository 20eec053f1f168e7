"""The subcommands of `minivlm train` that teach language, and what they need: regions and a vocabulary."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.cli.check_commands import tell_reports
from minivlm.cli.train_flags import add_shared_flags, as_told, changed, shared_options
from minivlm.command_line import path_argument, positive, whole_argument
from minivlm.console import Steps
from minivlm.datasets.captions import data_hash
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_detector
from minivlm.scenes.judging import Judge, describers_of
from minivlm.storage.files import exists, write_text
from minivlm.storage.text_files import check_lines, read_lines
from minivlm.training.features import RegionFolder, keep_regions
from minivlm.training.finding import keep_by_several, keep_here
from minivlm.training.language.corpus import Corpus, read_corpus
from minivlm.training.language.known import KnownPictures, Shown, TagSource, UnseenPictures
from minivlm.training.language.recipes import RECIPES, LanguageRecipe, language_recipe
from minivlm.training.language.region_table import RegionTable, has_room
from minivlm.training.language.stage import begin_stage
from minivlm.training.language.start import Start, load_start
from minivlm.training.language.tasks import TASKS, Material
from minivlm.training.order import Chance, generator_of
from minivlm.training.trainer import train
from minivlm.training.vocabulary import make_vocabulary
from minivlm.weights.shipped import checkpoint_argument

MakeParser = Callable[..., argparse.ArgumentParser]

ALL_KINDS = ("captions", "questions", "nlvr2", "boxes")
TAG_SOURCES: tuple[TagSource, ...] = ("detector", "data", "both")
STAGES: Mapping[str, str] = MappingProxyType(
    {
        "pretrain": "pre-train the transformer on pictures and texts: masked words, and tags that fit or do not",
        "tasks": "teach all four tasks at once, with one set of weights",
        "caption": "teach to write captions",
        "vqa": "teach to answer questions",
        "nlvr2": "teach to judge statements about two pictures",
        "retrieval": "teach whether a text describes a picture",
    }
)
"""Stage -> what it does."""
ANSWERING = ("vqa", "tasks")


def add_language(stages: Any, command: MakeParser) -> None:
    """Add the subcommands.

    Args:
        stages: Subparsers of `minivlm train`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    _add_vocabulary(stages, command)
    _add_features(stages, command)
    for name, summary in STAGES.items():
        flags = "--data scenes/train --features kept --start my-checkpoint --recipe small-world"
        parser = command(stages, name, train_language, summary, f"minivlm train {name} my-{name} {flags}")
        add_shared_flags(parser, RECIPES)
        _add_data(parser)
        sight = parser.add_mutually_exclusive_group(required=True)
        sight.add_argument("--features", type=path_argument, metavar="DIR", help="made by minivlm train features")
        sight.add_argument(
            "--blind", action="store_true", help="show it no picture: neither regions nor tags, only texts"
        )
        if name == "pretrain":
            parser.add_argument(
                "--tags",
                choices=TAG_SOURCES,
                default="detector",
                help="who names what is in a picture: the detector, boxes.json, or both (default: %(default)s)",
            )
        if name in ANSWERING:
            parser.add_argument(
                "--answers",
                type=path_argument,
                metavar="FILE",
                help="one a line, for a new head (default: the start's)",
            )
        if name == "caption":
            parser.add_argument(
                "--cider",
                action="store_true",
                help="go on from a model that writes: raise the CIDEr of what it samples",
            )


def _add_vocabulary(stages: Any, command: MakeParser) -> None:
    parser = command(
        stages,
        "vocabulary",
        train_vocabulary,
        "make a vocab.txt of a data set's words, for a small model",
        "minivlm train vocabulary vocab.txt --data scenes/train --most 1500",
    )
    parser.add_argument("output", type=path_argument, metavar="OUT.txt", help="new file")
    _add_data(parser)
    parser.add_argument(
        "--names", type=path_argument, nargs="+", default=[], metavar="FILE", help="such as answers.txt"
    )
    parser.add_argument("--most", type=positive, default=30522, metavar="N", help="tokens (default: %(default)s)")


def _add_features(stages: Any, command: MakeParser) -> None:
    parser = command(
        stages,
        "features",
        train_features,
        "find the regions of all pictures once, for all language training",
        "minivlm train features kept --data scenes/train --checkpoint my-checkpoint",
    )
    parser.add_argument("folder", type=path_argument, metavar="DIR", help="may hold regions of the same detector")
    _add_data(parser)
    parser.add_argument(
        "--checkpoint",
        type=checkpoint_argument,
        required=True,
        metavar="DIR",
        help="a detector, or a model that has it",
    )
    parser.add_argument(
        "--processes", type=whole_argument(1, 64), default=1, metavar="N", help="that look at pictures (default: 1)"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=path_argument, required=True, nargs="+", metavar="DIR", help="what to learn from, one or several"
    )


def train_vocabulary(arguments: argparse.Namespace) -> None:
    """Write a vocabulary."""
    if exists(arguments.output):
        raise UserError(f"{arguments.output} is there: name a new file")
    with Steps().stage("count words"):
        corpus = read_corpus(_files(arguments.data), ALL_KINDS)
        names = [line for path in arguments.names for line in read_lines(path, "names", "give one a line")]
        answers = [answer for one in corpus.questions for answer in one.answers]
        tokens = make_vocabulary(corpus.texts, (*corpus.classes, *corpus.attributes, *answers, *names), arguments.most)
        check_lines(tokens, str(arguments.output))
        write_text(arguments.output, "".join(f"{token}\n" for token in tokens))
    print(f"{arguments.output}: {len(tokens):,} tokens")


def train_features(arguments: argparse.Namespace) -> None:
    """Keep the regions of pictures."""
    console = Steps()
    with console.stage("read the data"):
        corpus = read_corpus(_files(arguments.data), ALL_KINDS)
    with console.stage("load the weights"):
        detector = load_torch_detector(checkpoint=arguments.checkpoint)
    with console.counting("hash pictures", every=5000) as hashing, console.counting("regions", every=500) as finding:
        keep = (
            keep_here(arguments.folder, detector, finding)
            if arguments.processes == 1
            else keep_by_several(arguments.folder, arguments.checkpoint, arguments.processes, finding)
        )
        kept = keep_regions(arguments.folder, corpus.pictures, detector.detector_hash, keep, hashing)
    print(f"{arguments.folder}: regions of {kept.pictures:,} pictures, {kept.found:,} of them new")


def train_language(arguments: argparse.Namespace) -> None:
    """Train a stage, and say where the checkpoint is."""
    name = "cider" if getattr(arguments, "cider", False) else arguments.stage
    recipe = language_recipe(arguments.recipe, name)
    recipe = replace(recipe, optimization=changed(recipe.optimization, arguments))
    if arguments.start is None:
        raise UserError("a transformer learns from what a detector finds: give --start CHECKPOINT of a whole model")
    tags: TagSource = getattr(arguments, "tags", "detector")
    if arguments.blind and tags != "detector":
        raise UserError(f"--blind shows no tags, and --tags {tags} says whose: leave one of the two out")
    options, console = shared_options(arguments), Steps()
    files = _files(arguments.data)
    with console.stage("read the data"):
        kinds = TASKS[name].kinds
        corpus = read_corpus(files, kinds if tags == "detector" else (*kinds, "boxes"))
    with console.stage("load the weights"):
        start = load_start(arguments.start, _answers(arguments), generator_of(Chance.WEIGHTS, arguments.seed))
    if arguments.blind:
        known = _unseen(start)
    else:
        known = _known(arguments.features, start, corpus, tags, console, accelerated=options.device is None)
    tell_reports(console, corpus.reports)
    judges = _judges(files) if recipe.truth else {}
    material = Material(known=known, corpus=corpus, recipe=recipe, judges=judges, world=arguments.recipe)
    stage = begin_stage(name, start, material)
    steps = train(stage, options, _about(arguments, start, files, tags, recipe), console)
    print(f"{arguments.folder}: {start.info.model}, {name} on {len(stage.examples):,} examples, {steps:,} steps")


def _unseen(start: Start) -> Shown:
    return UnseenPictures(labels=start.labels, feature_dim=start.whole.config.vision.feature_dim)


def _known(
    features: Path, start: Start, corpus: Corpus, tags: TagSource, console: Steps, *, accelerated: bool
) -> Shown:
    with console.counting("hash pictures", every=5000) as told:
        regions = RegionFolder(features, start.backend.detector_hash)
        places = regions.places(corpus.pictures, told)
    source: RegionFolder | RegionTable = regions
    if accelerated and places and has_room(len(places), regions.read(next(iter(places.values())))):
        with console.stage("put the regions together"):
            source = RegionTable(regions, places.values())
    return KnownPictures(regions=source, places=places, labels=start.labels, source=tags, names=corpus.names)


def _judges(each: Sequence[DataFiles]) -> dict[Path, Judge]:
    """Return what tells whether captions are true of their pictures.

    Raises:
        UserError: Data is of no scenes.
    """
    judges: dict[Path, Judge] = {}
    for files in each:
        if files.boxes is None:
            raise UserError(
                "the recipe rewards true captions, which boxes.json of composed scenes tells, and there is none: give"
                " data of minivlm data scenes, or another --recipe"
            )
        judges |= describers_of(files.boxes, PictureFolder(files.images or Path()))
    return judges


def _about(
    arguments: argparse.Namespace, start: Start, files: Sequence[DataFiles], tags: TagSource, recipe: LanguageRecipe
) -> dict[str, Any]:
    """Return what the training depends on."""
    read = [getattr(each, kind) for each in files for kind in each.kinds]
    return {
        "start": start.backend.origin.sha256,
        "labels": start.labels.sha256,
        "data": [data_hash(path) for path in read],
        "tags": "no picture" if arguments.blind else tags,
        "recipe": {"name": arguments.recipe, **as_told(recipe)},
    }


def _answers(arguments: argparse.Namespace) -> list[str] | None:
    path: Path | None = getattr(arguments, "answers", None)
    return None if path is None else read_lines(path, "the answers", "give one a line")


def _files(folders: Sequence[Path]) -> list[DataFiles]:
    return [find_data(folder, DataFiles())[0] for folder in folders]
