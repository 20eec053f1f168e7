"""What the subcommands of `minivlm data` do."""

from argparse import Namespace

from minivlm.scenes.fetching import fetch_drawings
from minivlm.scenes.writing import make_scenes


def drawings(arguments: Namespace) -> None:
    """Fetch the drawings that scenes are composed of."""
    for style, count in fetch_drawings(arguments.folder).items():
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
    )
    print(f"{arguments.folder}: {', '.join(f'{count:,} {what}' for what, count in made.items())}")
