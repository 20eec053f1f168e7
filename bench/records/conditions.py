"""Under what a repeat was measured: values of other machines, inputs or weights are not set beside each other."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.records.orders import SEQUENCE, TURNS
from bench.records.record import Record

Setting = tuple[tuple[str, str], ...]
"""What holds for a table as a whole, as (name, value)."""

MACHINE = ("phone", "name", "serial", "cpu", "cores", "cpu_features", "memory_gib", "container")
"""What tells machines apart in `Record.environment`."""


def machine(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what tells the machine of a record from others, as (name, value)."""
    for name in MACHINE:
        yield name.replace("_", " "), _text(record.environment.get(name))
    if record.device != "cpu":  # an update of a phone's system is another machine; a computer's kernel changes weekly
        yield "system", _text(record.environment.get("system"))


def conditions(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what must be equal for times to be comparable, as (name, value)."""
    yield from machine(record)
    yield "threads", str(record.threads)
    told = record.accelerated
    yield "accelerator", "" if told is None else ", ".join(filter(None, (told.adapter, told.driver, told.computed)))
    yield "affinity", str(record.affinity)
    yield "inputs", _text(dict(record.inputs))
    yield "photo", record.photo.get("sha256", "")[:12]
    yield "weights", record.weights
    yield "profile", record.profile
    yield "order", _order(record)
    yield "stages", ", ".join(record.samples)


@dataclass(frozen=True)
class Division:
    """Successful records that may stand in one table.

    Attributes:
        label: What tells it from the others, in a few words; empty where there are no others.
        records: Of one setting, and of every model those with one size of image.
    """

    label: str
    records: list[Record]

    def titled(self, title: str) -> str:
        """Return the title of a table of this division."""
        return f"{title} ({self.label})" if self.label else title


def divide(records: Sequence[Record]) -> list[Division]:
    """Divide successful records by their setting, and where a model took images of several sizes by these, too."""
    ok = [record for record in records if record.ok]
    sizes: dict[tuple[Setting, str], Counter[str]] = {}
    for record in ok:
        sizes.setdefault((_setting(record), record.model), Counter())[image_size(record)] += 1
    found: dict[tuple[Setting, str], list[Record]] = {}
    for record in ok:
        ((usual, _),) = sizes[_setting(record), record.model].most_common(1)
        size = image_size(record)
        found.setdefault((_setting(record), "" if size == usual else size), []).append(record)
    details = [(*place, ("image", size)) if size else place for place, size in found]
    return [Division(label, part) for label, part in zip(name_settings(details), found.values(), strict=True)]


def name_settings(settings: Sequence[Setting]) -> list[str]:
    """Name settings by what is not the same in all."""
    values: dict[str, set[str]] = {}
    for place in settings:
        for name, value in place:
            values.setdefault(name, set()).add(value)
    several = {name for name, seen in values.items() if len(seen) > 1 or name == "image"}
    return [
        ", ".join(f"{name} {value}" for name, value in place if name in several and value != "null")
        for place in settings
    ]


def _setting(record: Record) -> Setting:
    return (
        ("device", record.device),
        *machine(record),
        ("affinity", str(record.affinity)),
        ("photo", record.photo.get("sha256", "")[:12]),
        ("weights", record.weights),
        ("profile", record.profile),
        ("order", _order(record)),
    )


def _order(record: Record) -> str:
    return TURNS if record.turns > 1 else SEQUENCE


def image_size(record: Record) -> str:
    """Return the height and width of the image that a model took; empty for a model that takes none."""
    shape = record.inputs.get("image", [])
    return "x".join(map(str, shape[-2:])) if len(shape) > 1 else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True).replace('"', "")
