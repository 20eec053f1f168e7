"""Scenes that are not: what a false sentence is true of.

A false sentence is a true one about a scene that differs a little from the one shown. So true and false ones are made
in the same way, and the words alone do not tell them apart.
"""

from collections.abc import Sequence
from dataclasses import replace

from numpy.random import Generator

from minivlm.scenes.scene import Box, Placed, Scene
from minivlm.scenes.things import COLOURS

MOST_CHANGES = 2


def ghost(scene: Scene, nouns: Sequence[str], rng: Generator) -> Scene:
    """Return a scene like another one in all but one or two ways.

    Args:
        scene: The other one.
        nouns: Classes that it could have shown.
        rng: Decides the ways.
    """
    for _ in range(int(rng.integers(1, MOST_CHANGES + 1))):
        change = int(rng.integers(6))
        objects = list(scene.objects)
        row = int(rng.integers(len(objects)))
        match change:
            case 0:
                objects = _mirrored(scene, across=bool(rng.integers(2)))
            case 1:
                objects = _recoloured(objects, objects[row], rng)
            case 2:
                objects = _renamed(objects, objects[row], nouns, rng)
            case 3:
                objects = _exchanged(objects, row, int(rng.integers(len(objects))))
            case 4:
                objects.append(objects[row])
            case _ if len(objects) > 1:
                del objects[row]
        scene = Scene(side=scene.side, objects=tuple(objects))
    return scene


def _mirrored(scene: Scene, *, across: bool) -> list[Placed]:
    def turned(box: Box) -> Box:
        left, top, right, bottom = box
        if across:
            return scene.side - right, top, scene.side - left, bottom
        return left, scene.side - bottom, right, scene.side - top

    return [replace(one, box=turned(one.box)) for one in scene.objects]


def _recoloured(objects: list[Placed], chosen: Placed, rng: Generator) -> list[Placed]:
    """Give one object, or all of its class, another colour; in half of the cases one that the scene has."""
    there = sorted({one.colour for one in objects} - {"", chosen.colour})
    colours = there if there and rng.integers(2) else [colour for colour in COLOURS if colour != chosen.colour]
    colour = colours[int(rng.integers(len(colours)))]
    every = bool(rng.integers(2))
    changed = {id(one) for one in objects if one is chosen or (every and one.noun == chosen.noun)}
    return [replace(one, colour=colour, hints=(colour,)) if id(one) in changed else one for one in objects]


def _renamed(objects: list[Placed], chosen: Placed, nouns: Sequence[str], rng: Generator) -> list[Placed]:
    """Exchange a class for another: for one that is there, each becoming the other, or for any."""
    there = sorted({one.noun for one in objects} - {chosen.noun})
    other = there[int(rng.integers(len(there)))] if there and rng.integers(2) else nouns[int(rng.integers(len(nouns)))]
    names = {chosen.noun: other, other: chosen.noun}
    return [replace(one, noun=names.get(one.noun, one.noun)) for one in objects]


def _exchanged(objects: list[Placed], row: int, other: int) -> list[Placed]:
    """Let two objects change their places and how large they look."""
    first, second = objects[row], objects[other]
    objects = list(objects)
    objects[row] = replace(first, box=second.box, size=second.size)
    objects[other] = replace(second, box=first.box, size=first.size)
    return objects
