"""The command `minivlm`: one photo, or several, and a text, from the shell."""

import argparse
from collections.abc import Sequence
from typing import Any

from minivlm.cli import commands, data_commands
from minivlm.cli.card_commands import add_card
from minivlm.cli.check_commands import add_check
from minivlm.cli.evaluate_commands import add_evaluate
from minivlm.cli.model_flags import DEFAULT_MODEL, add_accelerator_flag, add_model_flags
from minivlm.cli.pseudo_label_commands import add_pseudo_label
from minivlm.cli.show_commands import add_show
from minivlm.cli.train_commands import add_train
from minivlm.command_line import (
    OneLineParser,
    name_argument,
    number_argument,
    path_argument,
    positive,
    seed,
    whole_argument,
)
from minivlm.datasets import easy_vqa as easy_vqa_data
from minivlm.errors import run_command
from minivlm.models.sizes import SIZES
from minivlm.scenes.composing import SPLITS
from minivlm.weights.shipped import checkpoint_argument

DESCRIPTION = """\
Find regions in photos, describe photos, and answer questions about them.

  minivlm regions photo.jpg --plot regions.png
  minivlm caption photo.jpg
  minivlm vqa photo.jpg "what colour is the roof?"
  minivlm nlvr2 left.jpg right.jpg "both photos show a temple"
  minivlm retrieve "a temple by a lake" photos/*.jpg --features kept

Without --checkpoint the weights are random: everything runs, and outputs mean nothing. --checkpoint sample is a small
model that was trained on drawn scenes."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake ends with one line on stderr and exit code 2."""
    run_command(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> None:
    arguments = build_parser().parse_args(argv)
    arguments.run(arguments)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands; `run` of what it returns is the function to call."""
    parser = OneLineParser(prog="minivlm", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_regions(subparsers)
    _add_caption(subparsers)
    _add_vqa(subparsers)
    _add_nlvr2(subparsers)
    _add_retrieve(subparsers)
    _add_checkpoint(subparsers)
    _add_data(subparsers)
    add_train(subparsers, _command)
    add_pseudo_label(subparsers, _command)
    add_evaluate(subparsers, _command)
    add_show(subparsers, _command)
    return parser


def _add_regions(subparsers: Any) -> None:
    parser = _task(
        subparsers,
        "regions",
        commands.regions,
        "find and name regions",
        "minivlm regions photo.jpg --plot regions.png --top 10",
    )
    parser.add_argument("photo", type=name_argument, metavar="PHOTO")
    parser.add_argument("--plot", type=path_argument, metavar="OUT.png", help="draw boxes and tags over the photo")
    parser.add_argument("--top", type=positive, default=20, metavar="N", help="regions to show (default: %(default)s)")


def _add_caption(subparsers: Any) -> None:
    parser = _task(
        subparsers,
        "caption",
        commands.caption,
        "write a sentence about a photo",
        "minivlm caption photo.jpg --beams 3\nminivlm caption photo.jpg --artifact minivlm-executorch-fp32.pte",
    )
    parser.add_argument("photo", type=name_argument, metavar="PHOTO")
    parser.add_argument("--beams", type=positive, default=1, metavar="K", help="hypotheses (default: %(default)s)")
    parser.add_argument(
        "--max-length",
        type=positive,
        default=20,
        metavar="N",
        help="most tokens, [CLS] and [SEP] included (default: %(default)s)",
    )


def _add_vqa(subparsers: Any) -> None:
    parser = _task(
        subparsers,
        "vqa",
        commands.vqa,
        "answer a question about a photo",
        'minivlm vqa photo.jpg "how many people are there?" --top 3',
    )
    parser.add_argument("photo", type=name_argument, metavar="PHOTO")
    parser.add_argument("question", metavar="QUESTION", help="what does not fit into 128 tokens is cut, with a note")
    parser.add_argument("--top", type=positive, default=5, metavar="N", help="answers to show (default: %(default)s)")


def _add_nlvr2(subparsers: Any) -> None:
    parser = _task(
        subparsers,
        "nlvr2",
        commands.nlvr2,
        "judge a statement about two photos",
        'minivlm nlvr2 left.jpg right.jpg "one photo shows a flower"',
    )
    parser.add_argument("left", type=name_argument, metavar="LEFT")
    parser.add_argument("right", type=name_argument, metavar="RIGHT")
    parser.add_argument("statement", metavar="STATEMENT", help="what does not fit into 55 tokens is cut, with a note")


def _add_retrieve(subparsers: Any) -> None:
    parser = _task(
        subparsers,
        "retrieve",
        commands.retrieve,
        "rank photos for a text, or texts for a photo",
        'minivlm retrieve "a red flower" photos/*.jpg --top 5 --features kept\n'
        'minivlm retrieve --photo photo.jpg "a red flower" "a temple by a lake"',
    )
    parser.add_argument("items", nargs="+", metavar="TEXT PHOTO", help="a text and photos; with --photo, texts only")
    parser.add_argument("--photo", type=name_argument, metavar="PHOTO", help="rank texts for this photo instead")
    parser.add_argument("--top", type=positive, metavar="N", help="best matches to show (default: all)")


def _add_checkpoint(subparsers: Any) -> None:
    parser = subparsers.add_parser("checkpoint", help="make a folder with weights", description="Make a checkpoint.")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    random = _command(
        kinds,
        "random",
        commands.checkpoint_random,
        "seeded random weights, for trying everything without a download",
        "minivlm checkpoint random my-checkpoint --seed 1",
    )
    imported = _command(
        kinds,
        "import",
        commands.checkpoint_import,
        "published weights of the parts; what they do not hold is random",
        "minivlm checkpoint import my-checkpoint --bert microsoft/MiniLM-L12-H384-uncased"
        " --backbone timm/efficientnet_b0.ra_in1k\n"
        "minivlm checkpoint import my-checkpoint --bert folder/ --backbone efficientnet_b0.pth\n"
        "minivlm checkpoint import my-detector --model tee-0 --backbone efficientnet-lite0\n"
        "minivlm checkpoint import my-checkpoint --model minivlm-tiny --detector my-detector",
    )
    halved = _command(
        kinds,
        "halve",
        commands.checkpoint_halve,
        "the same weights in half the bytes: float16, computed with in float32",
        "minivlm checkpoint halve my-checkpoint my-small-checkpoint",
    )
    averaged = _command(
        kinds,
        "average",
        commands.checkpoint_average,
        "weights a share of the way from a checkpoint to what training made of it",
        "minivlm checkpoint average tasks critic model --share 0.65",
    )
    averaged.add_argument("first", type=checkpoint_argument, metavar="FIRST", help="folder")
    averaged.add_argument("second", type=checkpoint_argument, metavar="SECOND", help="folder")
    averaged.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty")
    averaged.add_argument(
        "--share",
        type=number_argument,
        default=0.5,
        metavar="SHARE",
        help="of the way to the second (default: %(default)s)",
    )
    add_card(kinds, _command)
    halved.add_argument("source", type=checkpoint_argument, metavar="CHECKPOINT", help="folder")
    halved.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty")
    for one in (random, imported):
        one.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty")
        one.add_argument(
            "--model", type=name_argument, default=DEFAULT_MODEL, metavar="NAME", help="default: %(default)s"
        )
        one.add_argument("--seed", type=seed, default=0, metavar="N", help="of random weights (default: %(default)s)")
        for name, size in SIZES.items():
            flag = f"--{name.replace('_', '-')}"
            one.add_argument(flag, dest=name, type=positive, metavar="N", help=f"{size.meaning} (default: the model's)")
        one.add_argument(
            "--vocabulary", type=path_argument, metavar="FILE", help="vocab.txt with as many lines as --tokens says"
        )
    imported.add_argument(
        "--bert", type=name_argument, metavar="NAME|FOLDER", help="BERT or MiniLM: on the Hugging Face hub, or local"
    )
    imported.add_argument(
        "--backbone",
        type=name_argument,
        metavar="NAME|FILE",
        help="timm's EfficientNet, on the hub or a local file; or efficientnet-lite0, a package's",
    )
    imported.add_argument(
        "--detector", type=checkpoint_argument, metavar="CHECKPOINT", help="folder with a detector's weights and tags"
    )


def _add_data(subparsers: Any) -> None:
    parser = subparsers.add_parser("data", help="make and check data to learn from", description="Work with data sets.")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    drawings = _command(
        kinds,
        "drawings",
        data_commands.drawings,
        "fetch the drawings that scenes are composed of, by npm",
        "minivlm data drawings drawings",
    )
    scenes = _command(
        kinds,
        "scenes",
        data_commands.scenes,
        "compose pictures with boxes, captions, questions and statements",
        "minivlm data scenes scenes/train --split train --count 20000 --seed 0\n"
        "minivlm data scenes scenes/unseen --split unseen-style --count 500 --seed 0",
    )
    easy_vqa = _command(
        kinds,
        "easy-vqa",
        data_commands.easy_vqa,
        "fetch easy-VQA, drawn shapes and questions about them, by pip",
        "minivlm data easy-vqa easy-vqa/train --split train\nminivlm data easy-vqa easy-vqa/test --split test",
    )
    easy_vqa.add_argument(
        "--split", required=True, choices=easy_vqa_data.SPLITS, help="to learn from, or to be judged by"
    )
    add_check(kinds, _command)
    shards = _command(
        kinds,
        "shards",
        data_commands.shards,
        "write data with its pictures in WebDataset's tar shards",
        "minivlm data shards my-data my-shards --most 1000",
    )
    shards.add_argument("folder", type=path_argument, metavar="DIR", help="data")
    shards.add_argument("output", type=path_argument, metavar="OUT", help="new")
    shards.add_argument(
        "--most", type=positive, default=1000, metavar="N", help="pictures of a shard (default: %(default)s)"
    )
    for one in (drawings, scenes, easy_vqa):
        one.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty")
    drawings.add_argument(
        "--training-styles",
        action="store_true",
        help="also icons of eight more artists and other looks of the emoji, which only the split train is drawn with",
    )
    scenes.add_argument("--split", required=True, choices=SPLITS, help="each has pictures of its own")
    scenes.add_argument("--count", required=True, type=positive, metavar="N", help="pictures")
    scenes.add_argument("--seed", type=seed, default=0, metavar="N", help="of all that is random (default: 0)")
    scenes.add_argument(
        "--size", type=whole_argument(128, 512), default=256, metavar="N", help="pixels a side (default: %(default)s)"
    )
    scenes.add_argument(
        "--drawings", type=path_argument, default="drawings", metavar="DIR", help="made by minivlm data drawings"
    )
    scenes.add_argument(
        "--workers", type=whole_argument(1, 256), default=1, metavar="N", help="processes that compose (default: 1)"
    )
    scenes.add_argument(
        "--rounds",
        type=whole_argument(1, 16),
        default=1,
        metavar="N",
        help="of up to six questions a picture (default: 1)",
    )


def _task(subparsers: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    """Add a subcommand with the flags that all tasks share."""
    parser = _command(subparsers, name, run, summary, example)
    add_model_flags(parser)
    add_accelerator_flag(parser)
    parser.add_argument(
        "--features", type=path_argument, metavar="DIR", help="keep the photos' regions there, and use kept ones"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with everything known")
    return parser


def _command(subparsers: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    lines = "\n".join(f"  {line}" for line in example.splitlines())
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser
