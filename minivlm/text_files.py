"""Reading small text files that a user brings, whatever editor wrote them."""

from pathlib import Path

from minivlm.errors import UserError
from minivlm.files import exists, is_file, is_folder

MOST_BYTES = 64 << 20
"""Far above any vocabulary or description; a larger file is something else."""

BYTE_ORDER_MARK = "\ufeff"
OTHER_MARKS = {b"\xff\xfe": "UTF-16 or UTF-32", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


def read_text(path: Path, what: str, way_out: str) -> str:
    r"""Read a text file in UTF-8, without the byte-order mark it may begin with, its lines ended by "\n".

    The mark and Windows' "\r\n" say how a text is stored and are no part of it. A "\r" elsewhere stays.

    Args:
        path: Of the file.
        what: What it should be, for messages, such as "a checkpoint's config".
        way_out: What the user can do, the end of every message.

    Raises:
        UserError: There is none, it cannot be read, or it is no text in UTF-8.
    """
    data = _read_bytes(path, what, way_out)
    for mark, name in OTHER_MARKS.items():
        if data.startswith(mark):
            raise UserError(f"{path} is {name}, and {what} is UTF-8: save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not {what}, as it is not UTF-8 at byte {error.start}: {way_out}") from None
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def _read_bytes(path: Path, what: str, way_out: str) -> bytes:
    if is_folder(path):
        raise UserError(f"{path} is a folder and should be {what}: {way_out}")
    if not exists(path):
        raise UserError(f"there is no {path}, {what}: {way_out}")
    if not is_file(path):  # reading a pipe or a device may never end
        raise UserError(f"{path} is no regular file and should be {what}: {way_out}")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except PermissionError:
        raise UserError(f"no permission to read {path}, {what}: allow it, or use a copy of your own") from None
    except OSError as error:
        raise UserError(f"cannot read {path}, {what} ({error.strerror or error}): {way_out}") from None
    if len(data) > MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES >> 20} MiB and should be {what}: {way_out}")
    return data
