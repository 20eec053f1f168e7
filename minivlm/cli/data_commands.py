"""What the subcommands of `minivlm data` do."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from minivlm.console import Steps
from minivlm.datasets.easy_vqa import write_easy_vqa
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.shards import write_shards
from minivlm.scenes.fetching import LOOKS, fetch_drawings
from minivlm.scenes.sets import ICONS, SETS
from minivlm.scenes.writing import make_scenes


def drawings(arguments: Namespace) -> None:
    """Fetch the drawings that scenes are composed of."""
    sets, looks = (SETS + ICONS, LOOKS) if arguments.training_styles else (SETS, 0)
    for style, count in fetch_drawings(arguments.folder, sets, looks).items():
        print(f"{style}: {count} drawings")


def scenes(arguments: Namespace) -> None:
    """Compose a set of scenes."""
    made = make_scenes(
        arguments.folder,
        arguments.drawings,
        split=arguments.split,
        count=arguments.count,
        seed=arguments.seed,
        side=arguments.size,
        workers=arguments.workers,
        rounds=arguments.rounds,
    )
    _tell(arguments.folder, made)


def easy_vqa(arguments: Namespace) -> None:
    """Write a split of easy-VQA."""
    _tell(arguments.folder, write_easy_vqa(arguments.folder, arguments.split))


def shards(arguments: Namespace) -> None:
    """Write data with its pictures in shards."""
    steps = Steps()
    with steps.stage("find"):
        files, _ = find_data(arguments.folder, DataFiles())
    with steps.counting("pictures", every=1000) as progress:
        count = write_shards(files, arguments.output, arguments.most, progress)
    _tell(arguments.output, {"shards": count})


def _tell(folder: Path, made: Mapping[str, int]) -> None:
    print(f"{folder}: {', '.join(f'{count:,} {what}' for what, count in made.items())}")
