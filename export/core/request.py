"""The flags that every exporter takes, checked before any work starts."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.core.acceleration import CPU
from export.core.calibration import photo_to_spare
from export.core.choices import add_choice_flags, check_choices
from export.core.flags import add_calibration_flag, add_evaluate_flags
from export.core.format import INTEGERS, PRECISIONS, Family, Format
from export.core.formats import (
    check_accelerator,
    check_precision,
    delegate_runs,
    family_of,
    find_delegate,
    support_table,
)
from minivlm.command_line import integer_argument, path_argument, script_parser, seed
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, printable
from minivlm.images.photos import default_photo, load_photo
from minivlm.weights.checkpoint import read_info
from minivlm.weights.shipped import checkpoint_argument

CALIBRATION_SAMPLES = 6
EVALUATE_LIMIT = 100


@dataclass(frozen=True)
class ExportRequest:
    """What to export, from where to where.

    Attributes:
        runtime: Of the format, a key of `export.core.formats.FORMATS`.
        model: Name, or None to take the checkpoint's.
        precision: Such as "fp32".
        checkpoint: Folder, or None for random weights.
        image_size: (height, width) in pixels, or None for the model's own.
        output: Folder for the artifact and its sidecar.
        photo: What the verification runs on.
        seed: Of random weights.
        calibration: Folder of photos for int8; None takes one that is there without a download.
        calibration_samples: Views of them to measure ranges on.
        keep_float: Patterns of module names that int8 leaves in float.
        artifact: File to write; None takes the name that `export.core.formats.artifact_path` gives.
        delegate: What the artifact is lowered to, of the format's; "" is its default.
        evaluate: Folder of data that the artifact must do its tasks on; None where no task is scored.
        evaluate_limit: Examples of each task.
        accelerator: That the artifact is proven on, besides the CPU; "cpu" is none.
    """

    runtime: str
    model: str | None
    precision: str
    checkpoint: Path | None
    image_size: tuple[int, int] | None
    output: Path
    photo: Path
    seed: int = 0
    calibration: Path | None = None
    calibration_samples: int = CALIBRATION_SAMPLES
    keep_float: tuple[str, ...] = ()
    artifact: Path | None = None
    delegate: str = ""
    evaluate: Path | None = None
    evaluate_limit: int = EVALUATE_LIMIT
    accelerator: str = CPU


IMAGE_SIZE = re.compile(r"([1-9][0-9]{0,8}|0)(?:[xX]([1-9][0-9]{0,8}|0))?")


def parse_image_size(text: str) -> tuple[int, int]:
    """Read "512" or "384x512" as (height, width).

    Raises:
        UserError: Anything else, digits of other scripts and numbers of ten digits among it.
    """
    found = IMAGE_SIZE.fullmatch(text)
    if found is None:
        raise UserError(
            f"image size {printable(text)[:40]!r}: give one number for a square, or HEIGHTxWIDTH, such as 384x512"
        )
    height, width = found.groups()
    return int(height), int(width or height)


def parse_request(description: str, target: Format, argv: Sequence[str] | None) -> ExportRequest:
    """Parse and check an exporter's command line.

    Args:
        description: What the exporter makes.
        target: Format that it writes.
        argv: Arguments without the program's name; None takes the process's.

    Raises:
        UserError: Unknown model, malformed size, a flag that would do nothing, or an output folder that cannot be
            written.
    """
    parser = script_parser(description)
    parser.epilog = f"what each format takes:\n{support_table()}"
    add_request_flags(parser)
    add_choice_flags(parser, target)
    return read_request(parser.parse_args(argv), target)


def add_request_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of what is exported, how and where to."""
    parser.add_argument(
        "--model",
        help="tee-0..3, tee-lite-0 (not the paper's), a transformer such as minilm, or minivlm for both in one file",
    )
    parser.add_argument(
        "--checkpoint", type=checkpoint_argument, metavar="DIR", help="weights; without it they are random"
    )
    parser.add_argument("--precision", default="fp32", help=f"{' | '.join(PRECISIONS)} (default: %(default)s)")
    parser.add_argument(
        "--image-size", type=parse_image_size, metavar="N|HxW", help="vision input in pixels (default: the model's own)"
    )
    parser.add_argument(
        "--output", type=path_argument, default=Path("artifacts"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--photo",
        type=path_argument,
        help="photo for the verification (default: one that --calibration has to spare, or comes with scikit-learn)",
    )
    add_calibration_flag(parser)
    parser.add_argument(
        "--num-calibration-samples",
        type=integer_argument,
        metavar="N",
        help=f"views of these photos to measure ranges on (default: {CALIBRATION_SAMPLES})",
    )
    parser.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="PATTERN",
        help="modules that int8 and int4 leave in float, such as 'backbone.bifpn.*'; may be repeated",
    )
    add_evaluate_flags(parser)
    parser.add_argument("--seed", type=seed, help="of random weights (default: 0)")


def read_request(arguments: argparse.Namespace, target: Format) -> ExportRequest:
    """Check the flags of `add_request_flags`, and bring them together.

    Raises:
        UserError: See `parse_request`.
    """
    check_choices(arguments, target)
    if arguments.model is None and arguments.checkpoint is None:
        raise UserError("nothing to export: pass --model NAME, --checkpoint DIR, or both; --help lists the flags")
    model = arguments.model or read_info(arguments.checkpoint).model
    delegate = vars(arguments).get("delegate") or ""
    check_precision(target, model, arguments.precision, delegate)
    check_delegate_runs(arguments, target, delegate)
    check_accelerator(target, arguments.precision, accelerator := vars(arguments).get("accelerator") or CPU)
    check_effects(arguments, model)
    samples = CALIBRATION_SAMPLES if arguments.num_calibration_samples is None else arguments.num_calibration_samples
    if samples < 1:
        raise UserError(f"--num-calibration-samples {samples}: give at least 1")
    photo = arguments.photo or photo_to_spare(arguments.calibration, samples) or default_photo()
    load_photo(photo)
    check_writable(arguments.output)
    return ExportRequest(
        runtime=target.runtime,
        model=arguments.model,
        precision=arguments.precision,
        checkpoint=arguments.checkpoint,
        image_size=arguments.image_size,
        output=arguments.output,
        photo=photo,
        seed=arguments.seed or 0,
        calibration=arguments.calibration,
        calibration_samples=samples,
        keep_float=tuple(arguments.keep_float),
        delegate=delegate,
        evaluate=arguments.evaluate,
        evaluate_limit=arguments.evaluate_limit or EVALUATE_LIMIT,
        accelerator=accelerator,
    )


def check_effects(arguments: argparse.Namespace, model: str) -> None:
    """Refuse flags that would do nothing.

    Raises:
        UserError: Naming the first of them, and why.
    """
    if arguments.seed is not None and arguments.checkpoint is not None:
        raise UserError("--seed is of random weights, and --checkpoint brings trained ones: leave one of them out")
    family = family_of(model)
    if family is Family.TRANSFORMER:
        for flag, value in (("--image-size", arguments.image_size), ("--photo", arguments.photo)):
            if value is not None:
                raise UserError(f"{flag} goes with a vision model, and {model} is a transformer: leave it out")
    for flag, value in (
        ("--calibration", arguments.calibration),
        ("--num-calibration-samples", arguments.num_calibration_samples),
    ):
        if value is not None and family is Family.TRANSFORMER:
            raise UserError(f"{flag} goes with a vision model, and {model}'s ranges are not measured: leave it out")
        if value is not None and arguments.precision not in INTEGERS:
            raise UserError(
                f"{flag} goes with --precision {' or '.join(INTEGERS)}: at {arguments.precision} no range is measured"
            )
    if arguments.keep_float and arguments.precision == "fp32":
        raise UserError("--keep-float goes with fewer bits, and fp32 is float: leave it out, or take --precision int8")
    check_evaluation(arguments, model)


def check_delegate_runs(arguments: argparse.Namespace, target: Format, delegate: str) -> None:
    """Refuse to score what cannot be run here.

    Raises:
        UserError: Scores are asked for, and neither the runtime nor a reference executor has the delegate's backend.
    """
    chosen = find_delegate(target, delegate)
    if arguments.evaluate is not None and chosen is not None and not delegate_runs(target, delegate):
        raise UserError(
            f"--evaluate goes with an artifact that runs here, and the runtime here has no {chosen.backend}: leave it "
            "out"
        )


def check_evaluation(arguments: argparse.Namespace, model: str) -> None:
    """Refuse to score what has no score.

    Raises:
        UserError: The weights are random, the model does no task, the folder holds no data, or it is none.
    """
    if arguments.evaluate is None:
        if arguments.evaluate_limit is not None:
            raise UserError("--evaluate-limit goes with --evaluate DIR: name the data, or leave it out")
        return
    if arguments.checkpoint is None or read_info(arguments.checkpoint).random:
        raise UserError("--evaluate goes with trained weights, and scores of random ones mean nothing: leave it out")
    if family_of(model) is Family.TRANSFORMER:
        raise UserError(f"--evaluate goes with a model that does a task, and {model} is a transformer: leave it out")
    find_data(arguments.evaluate, DataFiles())


def check_writable(folder: Path) -> None:
    """Make an output folder, so that a long run does not fail at its end.

    Raises:
        UserError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}; choose another with --output") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} is not writable: choose another with --output")
