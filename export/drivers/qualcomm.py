"""What lowering to Qualcomm's NPU needs of a machine. Nothing is imported: ExecuTorch's module downloads the SDK."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "QNN_SDK_ROOT"
LIBRARY = Path("lib/x86_64-linux-clang/libQnnHtp.so")
"""What lowers for the NPU, in the SDK's folder."""
MODULE = "executorch.backends.qualcomm"
BINDING = "python/PyQnnManagerAdaptor*.so"
"""What the module calls it through; executorch's wheels for Linux on x86-64 have it."""
SOURCE = "https://softwarecenter.qualcomm.com (Qualcomm AI Runtime, community edition, Linux)"
INSTEAD = (
    "an NPU takes artifacts of LiteRT and ONNX on hosted phones: python bench/run.py --device hub --accelerator npu"
)


@dataclass(frozen=True)
class Qualcomm:
    """What is there.

    Attributes:
        root: What the variable names; empty where it is not set.
        library: Whether that folder has the SDK's library.
        binding: Whether the installed ExecuTorch has its module and binding.
    """

    root: str
    library: bool
    binding: bool


def look(environment: Mapping[str, str] = os.environ) -> Qualcomm:
    """Return what this machine has."""
    root = environment.get(VARIABLE, "")
    found = find_spec(MODULE) if find_spec("executorch") is not None else None
    places = [Path(place) for place in (found.submodule_search_locations or ())] if found is not None else []
    return Qualcomm(
        root, bool(root) and (Path(root) / LIBRARY).is_file(), any(any(one.glob(BINDING)) for one in places)
    )


def why_not(there: Qualcomm) -> str:
    """Return why nothing is lowered to Qualcomm's NPU: what is missing and where it comes from, in one line."""
    if not there.library:
        said = f"{VARIABLE} is {there.root}, which has no {LIBRARY}" if there.root else f"{VARIABLE} is not set"
        return (
            f"--delegate qnn needs Qualcomm's SDK, and {said}: download it from {SOURCE}, unpack it, and set "
            f"{VARIABLE} to its folder"
        )
    if not there.binding:
        return (
            f"--delegate qnn needs ExecuTorch's QNN backend, and the executorch that is installed has no {MODULE} with "
            "its binding: install its wheel for Linux on x86-64, or build it with QNN"
        )
    return f"--delegate qnn was never tried, for want of the SDK, and nothing is lowered untried: {INSTEAD}"


def refusal() -> str:
    """Return `why_not` of this machine."""
    return why_not(look())
