"""Folders that appear whole, where there was nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minivlm.errors import UserError
from minivlm.storage.files import assembling, exists, is_folder


def check_new(folder: Path, what: str) -> None:
    """Refuse a folder in which something could be overwritten, or whose place none could take.

    Args:
        folder: To be made.
        what: Will be in it, for messages, such as "the drawings".

    Raises:
        UserError: It is not a folder, not empty, or cannot be replaced.
    """
    if folder == Path() or folder.is_mount():
        raise UserError(f"{folder} cannot be replaced as a whole: name a new folder in it for {what}")
    if not exists(folder):
        return
    if not is_folder(folder):
        raise UserError(f"{folder} is a file: name a new folder for {what}")
    try:
        used = any(folder.iterdir())
    except OSError as error:
        raise UserError(f"cannot look into {folder} ({error.strerror}): name a new folder for {what}") from None
    if used:
        raise UserError(f"the folder {folder} is not empty: name a new one for {what}, or empty it")


@contextmanager
def new_folder(folder: Path, what: str) -> Iterator[Path]:
    """Give a folder beside, which takes the place of `folder` if the block ends well.

    Raises:
        UserError: See `check_new`; or it cannot be written.
    """
    check_new(folder, what)
    with assembling(folder.resolve()) as made:  # a link stays one, and "." has a name
        made.mkdir()
        yield made
