"""Putting files that belong together in their places: all of them, or none."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from minivlm.errors import UserError
from minivlm.storage.files import exists, is_folder


@contextmanager
def publishing(paths: Sequence[Path]) -> Iterator[Path]:
    """Give an empty folder beside; the files and folders that the block makes there take their places all together.

    What belongs together, and was there before, stays as it was unless everything new is complete and in place. Where
    the block makes nothing for a path, what was there goes, too.

    Args:
        paths: In one folder, in the order in which they are put there.

    Raises:
        UserError: The folder cannot be made or written to, or the disk is full.
    """
    last = paths[-1]
    try:
        last.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{last.name}.", suffix=".partial", dir=last.parent))
        made, aside = folder / "new", folder / "old"
        try:
            made.mkdir()
            aside.mkdir()
            yield made
            _exchange(made, aside, paths)
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            for empty in (aside, folder):  # what could not be put back is kept
                with suppress(OSError):
                    empty.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {last}: {reason}; choose another folder or free space") from None


def _exchange(made: Path, aside: Path, paths: Sequence[Path]) -> None:
    """Move what was there aside and what was made to its places; if that fails, everything back.

    Raises:
        UserError: A folder is where a file belongs, or a file where a folder does: it is somebody's, and stays.
    """
    for path in paths:
        if os.path.lexists(made / path.name) and exists(path) and is_folder(path) != is_folder(made / path.name):
            there = "a folder" if is_folder(path) else "a file"
            raise UserError(f"cannot write {path}: {there} of that name is there; move it, or choose another folder")
    moves = [
        (source, target)
        for path in paths
        for source, target in ((path, aside / path.name), (made / path.name, path))
        if os.path.lexists(source)
    ]
    try:
        for source, target in moves:
            source.rename(target)
    except BaseException as error:
        for source, target in reversed(moves):
            if os.path.lexists(target) and not os.path.lexists(source):
                try:
                    target.rename(source)
                except OSError:
                    raise UserError(
                        f"cannot write {paths[-1]}: {error}; what was there could not be put back and is in {aside}"
                    ) from None
        raise
