"""Print what accelerators run of the artifacts in a folder, as their sidecars say it: a table in Markdown.

    python export/accelerators.py artifacts

A line for each artifact, accelerator and what that computed in, with the worst of all methods: most pieces, least share
of the multiply-adds, least exact outputs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.core.acceleration import AcceleratorProof
from export.core.formats import FORMATS
from export.core.sidecar import Sidecar
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import UserError, printable, run_command

HEADING = (
    *("model", "weights", "runtime", "stored", "on", "computed", "pieces", "share", "features dB", "regions"),
    *("other outputs dB", "device"),
)


def sidecars_in(folder: Path) -> list[Sidecar]:
    """Return the sidecars of a folder whose artifacts were proven on an accelerator, by name.

    Raises:
        UserError: There is none, or one does not describe its artifact.
    """
    suffixes = {name for target in FORMATS.values() for name in (target.suffix, target.whole_suffix)}
    artifacts = [path for path in sorted(folder.glob("*")) if path.suffix.removeprefix(".") in suffixes]
    found = [sidecar for sidecar in map(Sidecar.read, artifacts) if sidecar.accelerators]
    if not found:
        raise UserError(f"{folder} has no artifact that was proven on an accelerator: export one with --accelerator")
    return found


def rows(sidecar: Sidecar) -> Iterator[list[str]]:
    """Yield a row for each proof of an artifact."""
    weights = "random" if sidecar.weights.random else "trained"
    for proof in sidecar.accelerators:
        yield [
            *(sidecar.model, weights, FORMATS[sidecar.runtime].title, sidecar.precision),
            *(proof.accelerator, proof.computed, str(max(item.placement.pieces for item in proof.methods))),
            f"{min(item.placement.macs for item in proof.methods):.1%}",
            least(proof, "feature SQNR dB"),
            least(proof, "regions matched at IoU 0.9", digits=2),
            least(proof, " SQNR dB", but="median "),
            printable(str(proof.adapter)),
        ]


def least(proof: AcceleratorProof, ending: str, but: str = "none", digits: int = 1) -> str:
    """Return the least value of the metrics whose names end so and do not begin with `but`; "" where there are none."""
    names = [metric for item in proof.methods for metric in item.parity if metric.name.endswith(ending)]
    values = [metric.value for metric in names if not metric.name.startswith(but)]
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
