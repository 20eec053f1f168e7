"""Pool of repeats with planted slowdowns: real work, really executed, by fresh processes that take turns on one core.

    python bench/studies/planted.py --minutes 13 --conditions idle
    python bench/studies/planted.py --minutes 6 --conditions crowded --burners 3

The workload is a transformer encoder of 100 equal layers in ONNX Runtime, one thread, some 9 ms. A slowdown of 5 % is
the same encoder with 105 layers. A round is eight processes, started in an order drawn anew each time: four of the base
and one of each slowdown. Each round adds one row; running the command again adds rounds.
"""

import csv
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import torch
from torch import nn

from bench.workers.turns import VARIABLE, conducting
from minivlm.command_line import integer_argument, number_argument, path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.language.transformer import MINILM_TINY, Encoder
from minivlm.storage.files import is_file

BASE_LAYERS = 100
SLOWDOWNS = (3, 5, 10, 20)
"""In percent of the base, which is as many layers."""
BASES = 4
TOKENS = 35
SHARED = 20
"""Layers with weights of their own, used in turn: eight processes must fit in a last-level cache together, or the one
with more layers loses more than its share."""
COLUMNS = ("conditions", "load_1min", *(f"base_{place}" for place in range(BASES)), *(f"plus_{s}" for s in SLOWDOWNS))


@dataclass(frozen=True)
class Round:
    """Eight processes that took turns.

    Attributes:
        conditions: What else the machine did, in a word.
        load: Of the machine over the last minute.
        base: Medians of the base's processes in ms.
        slowed: By planted slowdown in percent, the median of its process in ms.
    """

    conditions: str
    load: float
    base: list[float]
    slowed: dict[int, float]


def export_encoder(layers: int, path: Path) -> None:
    """Write an encoder as an ONNX file that ONNX Runtime has optimised already."""
    import onnxruntime

    config = replace(MINILM_TINY, layers=layers)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder(config).eval()
    encoder.layers = nn.ModuleList(encoder.layers[place % SHARED] for place in range(layers))
    plain = path.with_suffix(".plain")
    example = (torch.zeros(1, TOKENS, config.hidden), torch.zeros(1, 1, TOKENS))
    torch.onnx.export(encoder, example, plain, input_names=["rows", "mask"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    plain.unlink()


def encoders(folder: Path) -> dict[int, Path]:
    """Return the encoder of each slowdown, exported now where it is not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {slowdown: folder / f"{BASE_LAYERS * (100 + slowdown) // 100}.onnx" for slowdown in (0, *SLOWDOWNS)}
    for path in paths.values():
        if not is_file(path):
            export_encoder(int(path.stem), path)
    return paths


def measure_round(models: Sequence[Path]) -> list[float]:
    """Let one process a model take turns; returns their medians in ms.

    Raises:
        UserError: A process failed.
    """
    places = random.sample(range(len(models)), len(models))
    medians = [0.0] * len(models)
    with conducting(len(models)) as conductor:
        environment = {**os.environ, VARIABLE: str(conductor.path)}
        processes = {}
        for place in places:
            command = [sys.executable, "-m", "bench.studies.planted_worker", str(models[place])]
            processes[place] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            while not conductor.wait_for_one(0.5):  # nobody loads while another is measured or loads
                if processes[place].poll() is not None:
                    conductor.expect_fewer()
                    break
        for place, process in processes.items():
            printed, _ = process.communicate()
            if process.returncode:
                raise UserError("a process of the study failed: see its message above")
            medians[place] = float(printed)
    return medians


def read_pool(path: Path) -> list[Round]:
    """Read a pool of rounds.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Round(
                    row["conditions"],
                    float(row["load_1min"]),
                    [float(row[f"base_{place}"]) for place in range(BASES)],
                    {slowdown: float(row[f"plus_{slowdown}"]) for slowdown in SLOWDOWNS},
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"cannot read rounds from {path} ({error}): make it with bench/studies/planted.py") from None


def collect(path: Path, models: dict[int, Path], minutes: float, conditions: str) -> int:
    """Add rounds to a pool until the time is over; returns how many."""
    ring = [models[0]] * BASES + [models[slowdown] for slowdown in SLOWDOWNS]
    count = 0
    end = monotonic() + 60.0 * minutes
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow(COLUMNS)
        while monotonic() < end:
            medians = measure_round(ring)
            writer.writerow((conditions, round(os.getloadavg()[0], 1), *medians))
            file.flush()
            count += 1
    return count


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep other processes busy while the block runs; on and off, as neighbours are."""
    code = "import random, time\nwhile True:\n end = time.time() + random.expovariate(1.0)\n"
    code += " while time.time() < end: pass\n time.sleep(random.expovariate(1.0))"
    with ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", code])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--minutes", type=number_argument, default=60.0, help="default: %(default)s")
    parser.add_argument("--output", type=path_argument, default=Path("bench/studies/planted.csv"), metavar="FILE.csv")
    parser.add_argument(
        "--models", type=path_argument, default=Path("artifacts/planted"), metavar="DIR", help="the encoders"
    )
    parser.add_argument("--conditions", default="unknown", metavar="WORD", help="what else the machine does")
    parser.add_argument(
        "--burners", type=integer_argument, default=0, metavar="N", help="other processes to keep busy meanwhile"
    )
    parser.add_argument(
        "--core", type=integer_argument, default=0, metavar="N", help="all run on this core (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    if arguments.core not in os.sched_getaffinity(0):
        raise UserError(f"--core {arguments.core}: this process may use {sorted(os.sched_getaffinity(0))}")
    os.sched_setaffinity(0, {arguments.core})
    with Steps().step("export the encoders"):
        models = encoders(arguments.models)
    with burning(arguments.burners):
        rounds = collect(arguments.output, models, arguments.minutes, arguments.conditions)
    print(f"{rounds} rounds added to {arguments.output}")


if __name__ == "__main__":
    run_command(main)
