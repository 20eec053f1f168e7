"""Drawings that no artist made, laid out as `minivlm data drawings` lays them out."""

import json
from pathlib import Path

from PIL import Image, ImageDraw

from minivlm.scenes.drawings import SIDE
from minivlm.scenes.scene import Placed, Scene
from minivlm.scenes.things import all_things

STYLES = {"round": ("Ann", False), "edged": ("Ben", False), "other": ("Eve", True)}
COLOURS = ("#e01010", "#f08010", "#f0e010", "#10a020", "#1040e0", "#8020c0", "#101010", "#f8f8f8", "#808080")
EVERY = 12
"""One class of so many is drawn."""


def make_drawings(folder: Path) -> Path:
    """Draw one class of twelve, each in one or two colours, as ellipses, rectangles and triangles."""
    for place, style in enumerate(STYLES):
        (folder / style).mkdir(parents=True)
        for row, thing in enumerate(all_things()[::EVERY]):
            size = (SIDE, SIDE * 2 // 3) if row % 3 else (SIDE * 3 // 4, SIDE)
            image = Image.new("RGBA", size)
            draw = ImageDraw.Draw(image)
            inside = (0, 0, size[0] - 1, size[1] - 1)
            colour = COLOURS[(row + place) % len(COLOURS)]
            match style:
                case "round":
                    draw.ellipse(inside, fill=colour)
                case "edged":
                    draw.rectangle(inside, fill=colour)
                case _:
                    draw.polygon([(0, size[1] - 1), (size[0] // 2, 0), (size[0] - 1, size[1] - 1)], fill=colour)
            if row % 4 == 0:
                draw.rectangle((0, 0, size[0] // 2, size[1]), fill=COLOURS[(row + 4) % len(COLOURS)])
            image.save(folder / style / f"{thing.code}.png")
    about = {
        style: {
            "style": style,
            "artist": artist,
            "package": f"made-up-{style}",
            "version": "1.0.0",
            "licence": "Apache-2.0",
            "source": "tests",
            "held_out": held_out,
        }
        for style, (artist, held_out) in STYLES.items()
    }
    (folder / "about.json").write_text(json.dumps({"styles": about}))
    return folder


def thing(noun: str, box: tuple[int, int, int, int], colour: str = "", size: str = "medium", hint: str = "") -> Placed:
    """Return an object of a scene that is written down."""
    hints = tuple(name for name in (colour, hint) if name)
    return Placed(noun=noun, box=box, size=size, colour=colour, hints=hints)


def scene(*objects: Placed) -> Scene:
    """Return a scene of 200 pixels a side."""
    return Scene(side=200, objects=objects)
