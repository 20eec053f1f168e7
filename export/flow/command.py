"""An exporter's command line, from flags to closing message: the same for all formats."""

from collections.abc import Sequence

from export.core.format import Format
from export.core.formats import FORMATS, require_tools, title_of
from export.core.lowering import LOWERED
from export.core.request import parse_request
from export.core.sidecar import MethodReport, Sidecar, sidecar_path
from export.flow.exporting import ExportResult, export_model
from minivlm.console import Steps
from minivlm.errors import printable


def metric_lines(sidecar: Sidecar, target: Format) -> list[str]:
    """Return one line a method, one for the whole and one a task, for the closing message."""
    lines = [f"  {item.name}: {'; '.join(method_parts(item, sidecar, target))}" for item in sidecar.methods]
    if sidecar.proof:
        lines.append("  whole: " + ", ".join(str(metric) for metric in sidecar.proof))
    lines += [f"  {printable(line)}" for proof in sidecar.accelerators for line in proof.lines]
    return [*lines, *(f"  {printable(str(task))}" for task in (sidecar.tasks.tasks if sidecar.tasks else ()))]


def method_parts(method: MethodReport, sidecar: Sidecar, target: Format) -> list[str]:
    """Return what is said of a method: its size, where it runs, and how exact it is."""
    title = title_of(target, sidecar.delegate)
    share, pieces = method.delegated_macs, ""
    if title != target.title and method.lowering is not None:
        share = method.share(sidecar.delegate)
        count = method.lowering.count(sidecar.delegate)
        pieces = f" in {count} piece{'' if count == 1 else 's'}"
    size = f"{method.macs / 1e9:.2f} GMAC, {share:.1%} of them in {title}{pieces}"
    return [size, ", ".join(str(metric) for metric in method.metrics) or sidecar.status]


def next_command(result: ExportResult) -> str:
    """Return what to run next with an artifact: a caption if it can, else a measurement."""
    sidecar, folder = result.sidecar, result.artifact.parent
    if sidecar.status != LOWERED and any(method.name == "prefill" for method in sidecar.methods):
        return f"minivlm caption PHOTO --artifact {result.artifact}"
    if sidecar.delegated:
        return "take it to a device that has the accelerator, see docs/accelerators.md"
    if not FORMATS[sidecar.runtime].runs_here:
        return "take it to a Mac or an iPhone, see docs/phones.md"
    return (
        f"python bench/run.py --device cpu --threads 4 --models {sidecar.model} --runtimes {sidecar.runtime} "
        f"--precision {sidecar.precision} --artifacts {folder}"
    )


def run_exporter(target: Format, description: str, argv: Sequence[str] | None) -> None:
    """Run an exporter's command line, from flags to closing message."""
    request = parse_request(description, target, argv)
    require_tools(target, request.delegate)
    steps = Steps()
    title = title_of(target, request.delegate)
    steps.say(f"Exporting {request.model or request.checkpoint} to {title}, {request.precision}")
    result = export_model(request, steps)
    sidecar = result.sidecar
    print(f"{result.artifact}: {sidecar.bytes / 1e6:.1f} MB in {sum(sidecar.seconds.values()):.0f} s")
    print(f"  weights: {sidecar.weights.description}")
    print("\n".join(metric_lines(sidecar, target)))
    print(f"  described in {sidecar_path(result.artifact)}")
    print(f"Next: {next_command(result)}")
