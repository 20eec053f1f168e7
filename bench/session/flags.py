"""The benchmark's command line: from flags to a plan, checked before anything is measured."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bench.devices import DEVICES, THIS_MACHINE
from bench.machine.environment import available_cores
from bench.measure.plan import DEFAULT_RUNTIMES, Plan
from bench.measure.timing import PROFILES
from bench.records.orders import ORDERS, SEQUENCE
from bench.records.runtimes import PYTORCH_RUNTIMES
from bench.reporting.latency import TRANSFORMERS
from export.core.acceleration import CPU
from export.core.flags import add_precision_flag
from export.core.formats import FORMATS, accelerators_here
from export.core.request import parse_image_size
from export.core.weights import add_models_flag, add_weights_flags, read_weights
from minivlm.command_line import (
    integer_argument,
    known_argument,
    list_argument,
    number_argument,
    path_argument,
    script_parser,
)
from minivlm.errors import UserError
from minivlm.images.photos import default_photo

DEFAULT_MODELS = ("tee-0", "grid-r50", "grid-x101", "r101-f", *TRANSFORMERS)
PAPER_THREADS = 4
MOST_THREADS = 1024
"""More than any machine has cores; runtimes take memory for each without asking."""
COOL_DOWN = 180.0
FIELDS = {
    **{"serial": "phone", "udid": "phone", "checkpoint": "weights", "seed": "weights", "precision": "precisions"},
    **{"phone": "phones", "accelerator": "accelerators"},
}
"""What a flag decides of a plan, where that has another name."""

ACCELERATORS = ("cpu", "gpu", "npu")
"""Of hosted phones, as their service calls them; an Android phone here and this machine have some of them."""

UNITS = tuple(dict.fromkeys(name for target in FORMATS.values() for name in target.units))
"""Of a runtime that chooses among processors."""

PHONE_FLAGS = {
    "serial": ("android",),
    "udid": ("ios", "ios-simulator"),
    "bundle_id": ("ios", "ios-simulator"),
    "phone": ("hub",),
    "accelerator": (THIS_MACHINE, "android", "hub"),
    "compute_units": (THIS_MACHINE, "ios", "ios-simulator"),
}
"""Which devices a flag that not all of them have goes with."""


def default_threads() -> int:
    """Return the paper's four threads, or as many as there are cores."""
    return min(PAPER_THREADS, available_cores())


def threads_argument(text: str) -> int:
    """Read a number of threads."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_THREADS):
        raise argparse.ArgumentTypeError(
            f"{text!r:.80} is no number of threads from 1 to {MOST_THREADS}; this machine has {available_cores()} cores"
        )
    return int(text)


def add_threads_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of one number of threads, of every runtime that is measured."""
    parser.add_argument(
        "--threads",
        type=threads_argument,
        default=default_threads(),
        metavar="N",
        help="of each runtime (default: %(default)s, the paper's 4 or as many as there are cores)",
    )


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of all flags that make a plan, and of the folder for its records."""
    parser = script_parser(description)
    add = parser.add_argument
    add(
        "--device",
        type=known_argument("device", DEVICES),
        default=THIS_MACHINE,
        help=f"{' | '.join(DEVICES)} (default: %(default)s, this machine)",
    )
    add("--serial", metavar="S", help="which Android phone, as adb devices names it (default: the only one)")
    add("--udid", metavar="U", help="which iPhone, by UDID, identifier or name (default: the only one)")
    add("--bundle-id", type=bundle_id_argument, metavar="ID", help="the BUNDLE_ID that the iPhone's app was built with")
    add(
        "--phone",
        action="append",
        metavar="NAME",
        help="a phone that Qualcomm AI Hub hosts; may be given several times",
    )
    add(
        *("--accelerator", "--accelerators"),
        type=list_argument(known_argument("accelerator", ACCELERATORS)),
        metavar="A,B",
        help=f"of hosted phones: {', '.join(ACCELERATORS)}; of an Android phone here: {', '.join(ACCELERATORS[:2])}; "
        f"of this machine: {', '.join([CPU, *accelerators_here()])} (default: {CPU})",
    )
    add(
        "--compute-units",
        type=list_argument(known_argument("compute unit", UNITS)),
        metavar="A,B",
        help=f"of Core ML, on a Mac or an iPhone: {', '.join(UNITS)} (default: {UNITS[0]})",
    )
    add(
        "--cool-down",
        type=number_argument,
        metavar="SECONDS",
        help=f"longest wait for a phone to cool down (default: {COOL_DOWN:g})",
    )
    add_models_flag(parser, DEFAULT_MODELS)
    add_weights_flags(parser)
    runtimes = [*PYTORCH_RUNTIMES, *FORMATS]
    add(
        "--runtimes",
        type=list_argument(known_argument("runtime", runtimes)),
        metavar="A,B",
        help=f"of {', '.join(runtimes)} (default: {', '.join(DEFAULT_RUNTIMES)}, and of the others those artifacts "
        "that are there); artifacts that are missing are exported",
    )
    add_precision_flag(parser, ["fp32"])
    add(
        "--threads",
        type=list_argument(threads_argument),
        metavar="N,M",
        help=f"one number, or several for a sweep (default: {default_threads()}, the paper's 4 or as many as there "
        f"are cores; on a phone {PAPER_THREADS})",
    )
    add("--photo", "--image", type=path_argument, help="what vision models see (default: one from scikit-learn)")
    add("--image-size", type=parse_image_size, metavar="N|HxW", help="vision input in pixels (default: each model's)")
    add(
        "--profile",
        type=known_argument("profile", PROFILES),
        default="normal",
        help=f"{' | '.join(PROFILES)} (default: %(default)s)",
    )
    add("--repeats", type=integer_argument, metavar="N", help="rounds, each with a fresh process for every case")
    add(
        "--order",
        type=known_argument("order", ORDERS),
        default=SEQUENCE,
        help=f"of a round's cases: {'; '.join(f'{name}, {what}' for name, what in ORDERS.items())} "
        "(default: %(default)s)",
    )
    add("--affinity", type=cores_argument, metavar="CORES", help="cores to bind to, such as 0-3 or 0,2 (default: any)")
    add(
        "--sustained",
        type=number_argument,
        metavar="MINUTES",
        help="measure each case for so long: latency over time",
    )
    add(
        "--timeout",
        type=number_argument,
        default=600.0,
        metavar="SECONDS",
        help="stop what shows no progress for so long",
    )
    add("--output", type=path_argument, default=Path("results"), metavar="DIR", help="default: %(default)s")
    add("--artifacts", type=path_argument, default=Path("artifacts"), metavar="DIR", help="default: %(default)s")
    return parser


def plan_of(flags: argparse.Namespace) -> Plan:
    """Return the plan of a command line; `bench.session.checks.check_plan` says whether it can be measured.

    Raises:
        UserError: Flags that do not go together, or weights that are not there.
    """
    weights = read_weights(flags.checkpoint, flags.seed)
    models = weights.models(flags.models, DEFAULT_MODELS)
    return Plan(
        device=flags.device,
        phone=_phone(flags),
        phones=list(dict.fromkeys(flags.phone or [])),
        accelerators=flags.accelerator or [CPU],
        compute_units=flags.compute_units,
        bundle_id=flags.bundle_id,
        cool_down=COOL_DOWN if flags.cool_down is None else flags.cool_down,
        models=models,
        weights=weights,
        origin=weights.describe(models[0]).origin,
        image_size=flags.image_size,
        runtimes=flags.runtimes,
        precisions=flags.precision,
        threads=flags.threads or [default_threads() if flags.device == THIS_MACHINE else PAPER_THREADS],
        photo=flags.photo or default_photo(),
        profile=flags.profile,
        repeats=PROFILES[flags.profile].repeats if flags.repeats is None else flags.repeats,
        order=flags.order,
        affinity=flags.affinity,
        sustained=flags.sustained,
        timeout=flags.timeout,
        artifacts=flags.artifacts,
    )


def plan_with(**flags: object) -> Plan:
    """Return the plan of bench/run.py's defaults with other values of its flags, as its parser would give them."""
    return plan_of(argparse.Namespace(**{**vars(make_parser("").parse_args([])), **flags}))


def given(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> dict[str, str]:
    """Return, by the flag's name, which field of a plan each flag decides that stands on a command line."""
    flags = vars(parser.parse_args(argv))
    parser.set_defaults(**dict.fromkeys(flags))
    stated = [name for name, value in vars(parser.parse_args(argv)).items() if value is not None]
    parser.set_defaults(**flags)
    return {name.replace("_", "-"): FIELDS.get(name, name) for name in stated}


def bundle_id_argument(text: str) -> str:
    """Read an app's identifier, such as com.example.minivlm."""
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text):
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no bundle id, such as com.example.minivlm")
    return text


def cores_argument(text: str) -> list[int]:
    """Read "0-3" or "0,2" as core numbers that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        raise argparse.ArgumentTypeError(f"{text!r:.80}: this system cannot bind a process to cores; leave it out")
    allowed = sorted(os.sched_getaffinity(0))
    cores: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if found is None:
            raise argparse.ArgumentTypeError(f"{text!r:.80}: give core numbers, such as 0-3 or 0,2")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last <= allowed[-1] or not set(range(first, last + 1)) <= set(allowed):
            raise argparse.ArgumentTypeError(
                f"{text!r:.80}: this process may use the cores {', '.join(map(str, allowed))}"
            )
        cores.update(range(first, last + 1))
    return sorted(cores)


def _phone(flags: argparse.Namespace) -> str | None:
    """Return the phone that is named; a flag of another device is a mistake."""
    if flags.cool_down is not None and flags.device in (THIS_MACHINE, "hub"):
        raise UserError(
            f"--cool-down waits for a phone on this desk, and {flags.device} is measured as it is: leave it out"
        )
    for flag, devices in PHONE_FLAGS.items():
        if getattr(flags, flag) is not None and flags.device not in devices:
            shown = f"--{flag.replace('_', '-')} goes with --device {' or '.join(devices)}"
            raise UserError(f"{shown}, not with {flags.device}: leave it out")
    phone: str | None = flags.serial or flags.udid
    return phone
