"""The trained checkpoints that come with the package, by name."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from minivlm.command_line import path_argument
from minivlm.errors import UserError
from minivlm.weights.checkpoint import CONFIG

SHIPPED: Mapping[str, str] = MappingProxyType({name: f"make {name}" for name in ("sample", "sample-lite")})
"""Name -> the command that makes it where it is not there."""


def assets() -> Path:
    """Return the folder of the package's data."""
    return Path(str(files("minivlm") / "assets"))


def checkpoint_folder(given: Path, shipped: Path | None = None) -> Path:
    """Return the folder that a flag for a checkpoint means.

    A checkpoint of that name here comes first. `sample` is also the folder that `make sample` works in, so a folder
    without config.json is none.

    Args:
        given: A folder, or a name of `SHIPPED`.
        shipped: Where the shipped ones are; None takes the package's.

    Raises:
        UserError: It is such a name, and neither here nor in the package is a checkpoint of it.
    """
    name = str(given)
    if name not in SHIPPED or (given / CONFIG).is_file():
        return given
    folder = (assets() if shipped is None else shipped) / name
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"the checkpoint {name!r} did not come with this copy: make it by {SHIPPED[name]} (docs/sample.md), or name"
            " a folder that holds one"
        )
    return folder


def checkpoint_argument(text: str) -> Path:
    """Read a flag for a checkpoint: a folder, or the name of one that comes with the package.

    Raises:
        UserError: See `checkpoint_folder`.
    """
    return checkpoint_folder(path_argument(text))
