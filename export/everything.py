"""Export models to every format, each artifact proven, one after another in processes of their own.

    python export/everything.py
    python export/everything.py --models tee-0 --precision int8 --runtimes onnx,litert
    python export/everything.py --checkpoint DIR --calibration PHOTOS

Ends with a table of all of them: size, and the worst of each metric over all inputs of the verification. Exit code 1
says that one could not be made; the others are there.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.table import Table

from export.core.flags import add_calibration_flag, add_precision_flag, add_runtimes_flag, check_calibration
from export.core.formats import FORMATS, check_precision, family_of
from export.core.metric import Metric
from export.core.request import check_writable
from export.core.weights import add_models_flag, add_weights_flags, read_weights
from export.flow.making import Made, make
from export.verify.metrics import worst
from minivlm.command_line import path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import run_command

MODELS = ("tee-0", "minilm", "minivlm")
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "proposals": "proposals found at IoU 0.9",
        "regions": "regions matched at IoU 0.9",
        "features dB": "median feature SQNR dB",
        "logits dB": "logits SQNR dB",
        "best word": "best entry equal",
        "KL nats": "KL nats",
        "caption": "caption tokens equal",
    }
)
"""Of the verification's metrics, those that end so; the worst where several do."""


def summary(made: Sequence[Made]) -> Table:
    """Return a line for each artifact: size, how exact, seconds."""
    table = Table("artifact", "MB", *COLUMNS, "s", box=None, pad_edge=False)
    for item in made:
        if item.sidecar is None:
            table.add_row(item.artifact.name, "-", "FAILED")
            continue
        metrics = [metric for method in item.sidecar.methods for metric in method.parity]
        metrics += [metric for metric in item.sidecar.proof if "own regions" not in metric.name]
        cells = [_worst(metrics, ending) for ending in COLUMNS.values()]
        seconds = sum(item.sidecar.seconds.values())
        table.add_row(item.artifact.name, f"{item.sidecar.bytes / 1e6:.1f}", *cells, f"{seconds:.0f}")
    return table


def _worst(metrics: Sequence[Metric], ending: str) -> str:
    found = worst([[replace(metric, name=ending)] for metric in metrics if metric.name.endswith(ending)])
    return f"{found[0].value:.3g}" if found else ""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add_models_flag(parser, MODELS)
    add_weights_flags(parser)
    add_runtimes_flag(parser, list(FORMATS), "--formats")
    add_precision_flag(parser, ["fp32", "int8"])
    add_calibration_flag(parser)
    add("--output", type=path_argument, default=Path("artifacts"), metavar="DIR", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    weights = read_weights(arguments.checkpoint, arguments.seed)
    models = weights.models(arguments.models, MODELS)
    for model in models:
        family_of(model)
        weights.describe(model)
    wanted = [
        (runtime, model, precision)
        for model in models
        for runtime in arguments.runtimes
        for precision in arguments.precision
    ]
    for runtime, model, precision in wanted:
        check_precision(FORMATS[runtime], model, precision)
    check_calibration(arguments.calibration, arguments.precision)
    check_writable(arguments.output)
    steps, made = Steps(), []
    for number, (runtime, model, precision) in enumerate(wanted, start=1):
        with steps.step(f"[{number}/{len(wanted)}] {model}, {runtime}, {precision}"):
            made.append(make(runtime, model, precision, arguments.output, weights, arguments.calibration))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(summary(made))
    failed = [item for item in made if item.sidecar is None]
    for item in failed:
        print(f"{item.artifact.name}: {item.error}", file=sys.stderr)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
