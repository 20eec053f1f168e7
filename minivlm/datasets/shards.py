"""Writing a data folder's pictures into WebDataset's shards, its annotations beside."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from minivlm.datasets.folder import USUAL_NAMES, DataFiles
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from minivlm.storage.files import assembling, exists, is_file
from minivlm.storage.shards import member_of, read_member


def write_shards(files: DataFiles, folder: Path, most: int, progress: Callable[[int, int], None]) -> int:
    """Write data with its pictures in images/train-000000.tar and so on; the same data gives the same bytes.

    Args:
        files: As `find_data` returns them.
        folder: New; its annotations get their usual names.
        most: Pictures of a shard.
        progress: Called with the number of the picture that comes next, from 1, and of all.

    Returns:
        How many shards there are.

    Raises:
        UserError: The folder is there, there are no pictures, two have one name, or one cannot be read.
    """
    if exists(folder):
        raise UserError(f"{folder} is there already: name a new folder")
    pictures = PictureFolder(files.images or Path())
    names = {pictures.said_name(picture): picture for picture in pictures.files}
    if not names or len(names) != len(pictures.files):
        what = "pictures of one name in two shards: rename one" if names else "no pictures: give a folder with some"
        raise UserError(f"{pictures.folder} has {what}")
    ordered = sorted(names)
    with assembling(folder) as made:
        (made / "images").mkdir(parents=True)
        for number, first in enumerate(range(0, len(ordered), most)):
            with tarfile.open(made / "images" / f"train-{number:06}.tar", "w") as tar:
                for place, name in enumerate(ordered[first : first + most], start=first + 1):
                    progress(place, len(ordered))
                    _add(tar, name, _content(names[name]))
                    text = pictures.text_of(names[name])
                    if text is not None:
                        _add(tar, Path(name).with_suffix(".txt").as_posix(), text)
        for kind in files.kinds:
            source = getattr(files, kind)
            if is_file(source):
                shutil.copyfile(source, made / USUAL_NAMES[kind])
    return -(-len(ordered) // most)


def _content(picture: Path) -> bytes:
    try:
        held = member_of(picture)
        content = picture.read_bytes() if held is None else read_member(*held)
    except OSError as error:
        raise UserError(f"{picture} cannot be read ({error.strerror}): put it right or take it out") from None
    if content is None:
        raise UserError(f"{picture} changed while it was read: try again")
    return content


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no time and no owner
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
