"""What is to be scored: a model, and artifacts of its weights."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from export.core.format import Format
from export.core.formats import FORMATS
from export.core.lowering import LOWERED
from export.core.sidecar import Sidecar
from export.verify.scores import PYTORCH, Candidate, Runner
from minivlm.errors import UserError
from minivlm.storage.files import is_folder, size_bytes


def candidates(paths: Sequence[Path], reference: Runner) -> list[Candidate]:
    """Return the reference and the artifacts of its weights.

    Args:
        paths: Artifacts, or folders whose artifacts of the model are taken.
        reference: The model in PyTorch.

    Raises:
        UserError: A path holds none, an artifact is of another model or of other weights, or two have one name.
    """
    found = [Candidate(name=PYTORCH)]
    for path, sidecar in (one for given in paths for one in _artifacts(given, reference.model)):
        if (sidecar.model, sidecar.weights.identity) != (reference.model, reference.origin.identity):
            raise UserError(
                f"{path} holds {sidecar.model}, {sidecar.weights.description}, and is to be held against"
                f" {reference.model}, {reference.origin.description}: export this checkpoint"
            )
        if sidecar.status == LOWERED:
            raise UserError(f"{path} is lowered to {sidecar.delegate}, which nothing here runs: score it on a device")
        name = f"{sidecar.target} {sidecar.precision}"
        if name in [one.name for one in found]:
            raise UserError(f"{path} is the second artifact for {name}: give one of each")
        found.append(Candidate(name=name, artifact=path, bytes=size_bytes(path), sha256=sidecar.sha256))
    return found


def _artifacts(path: Path, model: str) -> list[tuple[Path, Sidecar]]:
    """Return a file itself; of a folder, the artifacts of a model that the runtimes here run on their own.

    Each is there with its sidecar, read once: that takes reading the whole artifact.
    """
    if path.suffix in _suffixes(FORMATS.values()) or not is_folder(path):  # an artifact may be a folder, too
        return [(path, Sidecar.read(path))]
    here = _suffixes(target for target in FORMATS.values() if target.runs_here)
    there = sorted(one for one in path.iterdir() if one.suffix in here and one.name.startswith(f"{model}-"))
    read = [(one, Sidecar.read(one)) for one in there]
    found = [(one, sidecar) for one, sidecar in read if not sidecar.delegated]
    if not found:
        raise UserError(f"{path} holds no artifact of {model}: export one, such as by python export/to_onnx.py")
    return found


def _suffixes(targets: Iterable[Format]) -> set[str]:
    return {f".{suffix}" for target in targets for suffix in (target.suffix, target.whole_suffix)}
