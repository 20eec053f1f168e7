"""Print what accelerators run of the artifacts in a folder, as their sidecars say it: a table in Markdown.

    python export/accelerators.py artifacts

A line for each artifact that is lowered to a delegate of an accelerator, and for each accelerator that an artifact was
proven on and what that computed in, with the worst of all methods: most pieces, least share of the multiply-adds, least
exact outputs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.core.formats import FORMATS
from export.core.metric import Metric
from export.core.sidecar import Sidecar
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import UserError, printable, run_command

HEADING = (
    *("model", "weights", "runtime", "stored", "on", "computed", "pieces", "share", "features dB", "regions"),
    *("other outputs dB", "verified by"),
)


def sidecars_in(folder: Path) -> list[Sidecar]:
    """Return the sidecars of a folder whose artifacts are for an accelerator, or were proven on one, by name.

    Raises:
        UserError: There is none, or one does not describe its artifact.
    """
    suffixes = {name for target in FORMATS.values() for name in (target.suffix, target.whole_suffix)}
    artifacts = [path for path in sorted(folder.glob("*")) if path.suffix.removeprefix(".") in suffixes]
    found = [sidecar for sidecar in map(Sidecar.read, artifacts) if sidecar.accelerators or sidecar.delegated]
    if not found:
        raise UserError(f"{folder} has no artifact for an accelerator: export one with --accelerator or --delegate")
    return found


def rows(sidecar: Sidecar) -> Iterator[list[str]]:
    """Yield a row for each proof of an artifact, and one for its delegate."""
    named = [sidecar.model, "random" if sidecar.weights.random else "trained"]
    runtime = FORMATS[sidecar.runtime].name
    for proof in sidecar.accelerators:
        pieces = max(item.placement.pieces for item in proof.methods)
        share = min(item.placement.macs for item in proof.methods)
        metrics = [metric for item in proof.methods for metric in item.parity]
        computed = [runtime, sidecar.precision, proof.accelerator, proof.computed]
        yield [*named, *computed, *measured(pieces, share, metrics), printable(str(proof.adapter))]
    if sidecar.delegated:
        lowered = [item.lowering for item in sidecar.methods if item.lowering is not None]
        pieces = max((one.count(sidecar.delegate) for one in lowered), default=0)
        shares = [item.share(sidecar.delegate) for item in sidecar.methods if item.lowering is not None]
        share = min(shares, default=1.0)
        metrics = [metric for item in sidecar.methods for metric in item.parity]
        statuses = {piece.status for one in lowered for piece in one.pieces if piece.delegate == sidecar.delegate}
        computed = [runtime, sidecar.precision, sidecar.delegate, sidecar.precision]
        by = ", ".join(sorted(status.removeprefix("proven by ") for status in statuses))
        yield [*named, *computed, *measured(pieces, share, metrics), by]


def measured(pieces: int, share: float, metrics: Sequence[Metric]) -> list[str]:
    """Return the cells of what was counted and compared."""
    return [
        str(pieces),
        f"{share:.1%}",
        least(metrics, "feature SQNR dB"),
        least(metrics, "regions matched at IoU 0.9", digits=2),
        least(metrics, " SQNR dB", but="median "),
    ]


def least(metrics: Sequence[Metric], ending: str, but: str = "none", digits: int = 1) -> str:
    """Return the least value of the metrics whose names end so and do not begin with `but`; "" where there are none."""
    values = [one.value for one in metrics if one.name.endswith(ending) and not one.name.startswith(but)]
    return f"{min(values):.{digits}f}" if values else ""


def table(sidecars: Sequence[Sidecar]) -> str:
    """Return the table."""
    lines = [list(HEADING), ["---"] * len(HEADING), *(row for sidecar in sidecars for row in rows(sidecar))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__ or "")
    parser.add_argument("folder", type=path_argument, metavar="DIR", help="with artifacts and their sidecars")
    print(table(sidecars_in(parser.parse_args(argv).folder)))


if __name__ == "__main__":
    run_command(main)
