"""Phones side by side: a row for each phone, runtime, precision and accelerator, measured or with how it would be."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.records.conditions import Setting, image_size, machine, name_settings
from bench.records.record import Record
from bench.records.repeats import Repeats, group
from bench.records.runs import once
from bench.reporting.cells import Cell, Row, Table
from export.core.format import Family
from export.core.formats import FORMATS

HOSTED = "hub"
EXAMPLE_PHONE = "Samsung Galaxy S24"
EXAMPLE_MODEL = "tee-0"


@dataclass(frozen=True)
class Kind:
    """A kind of phone.

    Attributes:
        name: Of one that nobody has measured yet.
        flags: That `bench/run.py` takes for it.
        accelerators: By runtime, what can be asked for; a runtime with one takes no flag.
    """

    name: str
    flags: str
    accelerators: Mapping[str, tuple[str, ...]]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "android": Kind("an Android phone", "--device android", {"executorch": ("cpu",), "litert": ("cpu", "gpu")}),
        "ios": Kind("an iPhone", "--device ios --bundle-id ID", {"executorch": ("cpu",), "coreml": ("all",)}),
        HOSTED: Kind(
            "a hosted phone", "--device hub", {"litert": ("cpu", "gpu", "npu"), "onnx": ("cpu", "gpu", "npu")}
        ),
    }
)
"""Kinds of phone; a simulator's times say nothing about one."""

COLUMNS = ("ms", "p90 ms", "load ms", "peak MB", "% of layers", "runs")
Place = tuple[str, ...]
"""(runtime, precision, accelerator, method, threads): what is set side by side over phones."""


def of_machines(records: Iterable[Record]) -> list[Record]:
    """Return the records that have tables for each machine: many hosted phones stand in those of this module only."""
    return [record for record in records if record.device != HOSTED]


def accelerator_of(record: Record) -> str:
    """Return the accelerator that was asked for, or the one that the runtime always takes."""
    kind = KINDS.get(record.device)
    return record.accelerator or (kind.accelerators.get(record.runtime, ("cpu",))[0] if kind else "cpu")


def phone_tables(records: Sequence[Record]) -> list[Table]:
    """Return a table for each model that a phone has measured, and one of what none has."""
    failed = {(record.machine_name, record.model, *_asked(record)) for record in records if not record.ok}
    tables = [_table(title, repeats, failed) for title, repeats in sides(records).items()]
    rows = [row for name in KINDS for row in _unmeasured(name) if not any(r.ok and r.device == name for r in records)]
    if rows:
        tables.append(Table("Phones: not measured", "Each row has the command that measures it.", rows))
    return tables


def sides(records: Sequence[Record]) -> dict[str, list[Repeats]]:
    """Return by title what may stand side by side: of one model, photo, weights, profile and size of image."""
    found: dict[str, dict[Setting, list[Record]]] = {}
    for record in once(records):
        if record.ok and record.device in KINDS:
            found.setdefault(record.model, {}).setdefault(_setting(record), []).append(record)
    return {
        f"Phones: {model}" + (f" ({name})" if name else ""): _by_phone(part)
        for model, parts in found.items()
        for part, name in zip(parts.values(), name_settings(list(parts)), strict=True)
    }


def _by_phone(records: Sequence[Record]) -> list[Repeats]:
    """Return the repeats of each case on each phone: two phones at one desk have the same cases."""
    phones: dict[Setting, list[Record]] = {}
    for record in records:
        phones.setdefault(tuple(machine(record)), []).append(record)
    return [repeats for part in phones.values() for repeats in group(part)]


def phone_names(found: Sequence[Repeats]) -> dict[Setting, str]:
    """Name each phone, with its system and serial where another has the same name."""
    settings = {tuple(machine(repeats.records[0])): repeats.records[0].machine_name for repeats in found}
    names = list(settings.values())
    return {
        setting: name
        if names.count(name) == 1
        else ", ".join([name, *(value for key, value in setting if key in ("system", "serial") and value != "null")])
        for setting, name in settings.items()
    }


def place_of(repeats: Repeats) -> Place:
    """Return what tells a measurement from others of its phone."""
    return _asked(repeats.records[0])


def _asked(record: Record) -> Place:
    case = record.case
    return (case.runtime, case.precision, accelerator_of(record), case.method, str(case.threads))


def _table(title: str, found: Sequence[Repeats], failed: Collection[tuple[str, ...]]) -> Table:
    """Return rows for each phone; what another one of its kind has and it has not is there with its command."""
    names = phone_names(found)
    measured = {(tuple(machine(repeats.records[0])), place_of(repeats)): repeats for repeats in found}
    kinds = {tuple(machine(repeats.records[0])): repeats.case.device for repeats in found}
    places = {(repeats.case.device, place_of(repeats)): None for repeats in found}
    several = len({place[-1] for _, place in places}) > 1
    model = found[0].case.model
    rows, commands = [], []
    for setting, name in names.items():
        for kind, place in sorted(places):
            if kind != kinds[setting]:
                continue
            runtime, precision, accelerator, method, threads = place
            label = ", ".join([name, runtime, precision, accelerator, *filter(None, [method])])
            repeats = measured.get((setting, place))
            absent = "failed" if (setting[0][1], model, *place) in failed else "not measured"
            if repeats is None and absent != "failed":
                commands.append(command_of(kind, setting[0][1], model, runtime, precision, accelerator))
            rows.append(Row(label + f", {threads} threads" * several, _cells(repeats, absent)))
    note = (
        "Median ± half the interquartile range of all runs. Memory: the process' peak, where it is told. Layers: the "
        "share that ran on the accelerator that was asked for. A hosted phone's times are those of its service's "
        "profiler; a method of a whole model is measured alone."
    )
    if commands:  # here, as in the table they would leave no room for numbers
        note += f" Not measured, and by which command it would be: {'; '.join(dict.fromkeys(commands))}"
    return Table(title, note, rows)


def _cells(repeats: Repeats | None, absent: str) -> list[Cell]:
    if repeats is None:
        return [Cell(COLUMNS[0], absent=absent), *map(Cell, COLUMNS[1:])]
    record = repeats.records[0]
    layers = sum(record.layers.values())
    share = 100.0 * record.layers.get(accelerator_of(record).upper(), 0) / layers if layers else None
    peak = repeats.peak_bytes
    median, *others = COLUMNS
    values = (repeats.percentile(90.0), repeats.load_ms, None if peak is None else peak / 1e6, share)
    cells = [Cell(name, None, value) for name, value in zip(others, (*values, float(len(repeats.totals))), strict=True)]
    return [Cell(median, None, repeats.median, digits=2, detail=f" ± {repeats.spread:.2f}"), *cells]


def command_of(device: str, phone: str, model: str, runtime: str, precision: str, accelerator: str) -> str:
    """Return the command that measures a case on a phone."""
    kind = KINDS[device]
    flags = [kind.flags, f"--models {model} --runtimes {runtime} --precision {precision}"]
    if device == HOSTED:
        flags += [f'--phone "{phone}" --accelerators {accelerator}']
    elif accelerator in FORMATS[runtime].accelerators:
        flags += [f"--accelerators {accelerator}"]
    elif accelerator in FORMATS[runtime].units[1:]:
        flags += [f"--compute-units {accelerator}"]
    return f"python bench/run.py {' '.join(flags)}"


def _unmeasured(device: str) -> list[Row]:
    """Return a row for everything that a kind of phone can be asked for."""
    kind = KINDS[device]
    return [
        Row(
            f"{kind.name}, {runtime}, {precision}, {accelerator}",
            [
                Cell(
                    "ms",
                    absent="not measured: "
                    + command_of(device, EXAMPLE_PHONE, EXAMPLE_MODEL, runtime, precision, accelerator),
                )
            ],
        )
        for runtime, accelerators in kind.accelerators.items()
        for precision in FORMATS[runtime].precisions[Family.DETECTOR]
        for accelerator in accelerators
        if _takes(device, runtime, precision, accelerator)
    ]


def _takes(device: str, runtime: str, precision: str, accelerator: str) -> bool:
    """Tell whether an app runs what is stored so on an accelerator; a service refuses by itself."""
    known = FORMATS[runtime].accelerators.get(accelerator)
    return device == HOSTED or known is None or precision in known.precisions


def _setting(record: Record) -> Setting:
    return (
        ("photo", record.photo.get("sha256", "")[:12]),
        ("weights", record.weights),
        ("profile", record.profile),
        ("image size", image_size(record) or "null"),
    )
