"""An outside yardstick: what a model learns of easy-VQA, beside the question alone and the most frequent answer.

    python bench/easy_vqa.py --start my-checkpoint
    python bench/easy_vqa.py --start my-checkpoint --steps 300 --limit 1000    # a short look

Fetches the data, keeps the regions of its pictures, fine-tunes the model on the training split once with pictures and
once without, and scores both on the test split: accuracies with the interval that holds 95 % of 10,000 resamples of the
questions. What was done is not done again, so that the same command goes on after an interruption. Results lie in
OUTPUT: easy-vqa.json, and what was said of every question in seeing/ and blind/.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.reporting.cells import wide_console
from bench.scores.means import Mean, mean_of, mean_of_results, means_table
from bench.studies.commands import run_once
from minivlm.command_line import path_argument, positive, script_parser, seed, whole_argument
from minivlm.console import Steps
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import read_questions
from minivlm.errors import run_command
from minivlm.evaluation.answers import accuracy
from minivlm.evaluation.bootstrap import Difference
from minivlm.evaluation.compare import compare
from minivlm.evaluation.records import read_results
from minivlm.storage.files import check_outputs, write_text
from minivlm.storage.json_text import json_text

TRAIN, TEST = "train", "test"
SEEING, BLIND = "with pictures", "the question alone"
LINES: Mapping[str, Sequence[object]] = {SEEING: (), BLIND: ("--blind",)}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found out.

    Attributes:
        means: Who answers -> mean accuracy.
        gain: What pictures add to the question alone.
    """

    means: Mapping[str, Mean]
    gain: Difference


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = build_parser().parse_args(argv)
    result = arguments.output / "easy-vqa.json"
    check_outputs([result])
    _prepare(arguments)
    for name in LINES:
        _train_and_judge(arguments, name)
    with Steps().stage("resample"):
        found = _found(arguments)
    write_text(result, f"{json_text(asdict(found))}\n")
    wide_console().print(means_table("easy-VQA, test split: accuracy times 100", "answers by", found.means))
    gain = found.gain
    print(f"pictures add {100 * gain.mean:.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--start", type=path_argument, required=True, metavar="CHECKPOINT", help="a whole model, such as the sample")
    add("--data", type=path_argument, metavar="DIR", help="with train/ and test/ (default: OUTPUT/data, fetched)")
    add("--steps", type=positive, metavar="N", help="of each training (default: the recipe's epochs)")
    add("--limit", type=positive, metavar="N", help="take only the first N questions of the test split")
    add("--seed", type=seed, default=0, metavar="N", help="of all chance (default: %(default)s)")
    add("--threads", type=whole_argument(1, 256), metavar="N", help="that compute (default: PyTorch's)")
    add("--output", type=path_argument, default=Path("results/easy-vqa"), metavar="DIR", help="default: %(default)s")
    return parser


def _data(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.data or arguments.output / "data"
    return folder


def _prepare(arguments: argparse.Namespace) -> None:
    """Fetch the data, and keep the regions of its pictures."""
    data, output = _data(arguments), arguments.output
    for split in (TRAIN, TEST) if arguments.data is None else ():
        run_once(output / f"done/data-{split}.json", ["data", "easy-vqa", data / split, "--split", split])
    folders = [data / split for split in (TRAIN, TEST)]
    command = ["train", "features", output / "regions", "--data", *folders, "--checkpoint", arguments.start]
    run_once(output / "done/regions.json", command)


def _train_and_judge(arguments: argparse.Namespace, name: str) -> None:
    data, output, short = _data(arguments), arguments.output, _short(name)
    sight = LINES[name] or ("--features", output / "regions")
    command = ["train", "vqa", output / f"model-{short}", "--data", data / TRAIN, "--start", arguments.start, *sight]
    command += ["--answers", data / TRAIN / "answers.txt", "--recipe", "easy-vqa", "--seed", arguments.seed, "--cpu"]
    command += [] if arguments.steps is None else ["--steps", arguments.steps]
    command += [] if arguments.threads is None else ["--threads", arguments.threads]
    run_once(output / f"done/train-{short}.json", [*command, "--resume"])
    command = ["evaluate", "vqa", "--data", data / TEST, "--checkpoint", output / f"model-{short}", *sight]
    command += [] if arguments.limit is None else ["--limit", arguments.limit]
    run_once(output / f"done/evaluate-{short}.json", [*command, "--output", output / short, "--resume"])


def _short(name: str) -> str:
    return "blind" if LINES[name] else "seeing"


def _results(arguments: argparse.Namespace, name: str) -> Path:
    path: Path = arguments.output / _short(name) / "vqa.jsonl"
    return path


def _found(arguments: argparse.Namespace) -> Result:
    """Return the means over the questions that were put to the models; the data's answers are the same for all."""
    answered = read_results(_results(arguments, SEEING)).records.values()
    means = {name: mean_of_results(_results(arguments, name)) for name in LINES}
    usual = _most_frequent(_data(arguments) / TRAIN)
    said = [accuracy(usual, record["people"]) for record in answered if "error" not in record]
    means[f"the most frequent answer of the training split, {usual!r}"] = mean_of(said)
    return Result(means=means, gain=compare(_results(arguments, BLIND), _results(arguments, SEEING)).difference)


def _most_frequent(folder: Path) -> str:
    data = read_questions(folder / "questions.json", folder / "annotations.json", PictureFolder(folder / "images"))
    return Counter(answer for example in data.examples for answer in example.answers).most_common(1)[0][0]


if __name__ == "__main__":
    run_command(main)
