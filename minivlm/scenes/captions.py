"""Five different true captions of a scene."""

from numpy.random import Generator

from minivlm.scenes.facts import Count, Fact
from minivlm.scenes.ghosts import ghost
from minivlm.scenes.sampling import SAMPLERS, describe, sure
from minivlm.scenes.scene import Scene
from minivlm.scenes.wording import sentence

CAPTIONS = 5
PLAN = (
    ("listing",),
    ("loosely related",),
    ("related", "more"),
    ("several", "more", "count"),
    ("largest", "located", "more"),
)
"""Kinds of facts for each caption, in any order."""
FALLBACK = "presence"
"""Where a scene has nothing of these kinds."""
TRIES = 6
ATTEMPTS = 200
"""Far more than the poorest scene needs: one small thing has a name, a picture of it, and all that it is not."""


def captions(scene: Scene, nouns: tuple[str, ...], rng: Generator) -> list[str]:
    """Return true captions, no two alike.

    Args:
        scene: To be described.
        nouns: Classes of its world, for what it does not show.
        rng: Decides what is said and how.
    """
    found: dict[str, None] = {}
    for plan in PLAN:
        kinds = [*(plan[int(row)] for row in rng.permutation(len(plan))), FALLBACK]
        facts = (SAMPLERS[kind](scene, rng) for kind in kinds for _ in range(TRIES))
        texts = (sentence(fact, rng) for fact in facts if fact is not None and sure(fact, scene))
        new = next((text for text in texts if text not in found), None)
        if new is not None:
            found[new] = None
    for _ in range(ATTEMPTS):
        if len(found) == CAPTIONS:
            break
        extra = SAMPLERS["presence"](scene, rng) if rng.integers(2) else absence(scene, nouns, rng)
        if extra is not None and sure(extra, scene):
            found[sentence(extra, rng)] = None
    return list(found)


def absence(scene: Scene, nouns: tuple[str, ...], rng: Generator) -> Fact | None:
    """Find something that is not there, and could have been."""
    other = ghost(scene, nouns, rng)
    phrase = describe(other.objects[int(rng.integers(len(other.objects)))], rng)
    fact = Count(phrase, 0)
    return fact if fact.holds(scene) and sure(fact, scene) else None
