"""Finding facts: of a kind, true of one scene or of two."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from numpy.random import Generator

from minivlm.scenes.facts import Both, Count, Extreme, Fact, Located, More, Related, extreme
from minivlm.scenes.scene import BESIDE, SIDES, Phrase, Placed, Scene
from minivlm.scenes.things import ANYTHING, NUMBERS

TRIES = 8
"""Descriptions tried of an object until one is of it alone."""
LISTED = 3
"""Most kinds of things that one sentence lists."""

Sampler = Callable[[Scene, Generator], Fact | None]


def describe(one: Placed, rng: Generator) -> Phrase:
    """Return a description that an object answers to."""
    drawn = int(rng.integers(8 * 5 * 4))  # one number for three decisions: this is called hundreds of times a scene
    noun = one.noun if drawn % 8 else one.group or ANYTHING
    colour = one.colour if drawn // 8 % 5 < 2 else ""
    size = one.size if one.size != "medium" and drawn // 40 == 0 else ""
    if noun == ANYTHING and not colour:
        noun = one.noun
    return Phrase(noun, colour, size)


def only(one: Placed, scene: Scene, rng: Generator) -> Phrase | None:
    """Return a description that one object of a scene answers to alone, beyond argument; None if none was found."""
    for _ in range(TRIES):
        phrase = describe(one, rng)
        if len(phrase.among(scene)) == 1 and phrase.clear(scene):
            return phrase
    return None


def any_object(scene: Scene, rng: Generator) -> Placed:
    """Return any object of a scene."""
    return scene.objects[int(rng.integers(len(scene.objects)))]


def two_objects(scene: Scene, rng: Generator) -> tuple[Placed, Placed] | None:
    """Return two objects of a scene; None if it has only one."""
    if len(scene.objects) < 2:
        return None
    one, other = (int(row) for row in rng.choice(len(scene.objects), 2, replace=False))
    return scene.objects[one], scene.objects[other]


def presence(scene: Scene, rng: Generator) -> Count:
    """Find that there is something."""
    return Count(describe(any_object(scene, rng), rng), 1, least=True)


def count(scene: Scene, rng: Generator) -> Count | None:
    """Find how many there are of something."""
    phrase = describe(any_object(scene, rng), rng)
    number = len(phrase.among(scene))
    return Count(phrase, number) if number < len(NUMBERS) else None


def several(scene: Scene, rng: Generator) -> Count | None:
    """Find how many there are of something of which there are several."""
    found = count(scene, rng)
    return found if found is not None and found.number > 1 else None


def more(scene: Scene, rng: Generator) -> More | None:
    """Find of what there is more."""
    two = two_objects(scene, rng)
    if two is None:
        return None
    one, other = (describe(which, rng) for which in two)
    ones, others = one.among(scene), other.among(scene)
    if any(found in others for found in ones):
        return None
    order = "more" if len(ones) > len(others) else "fewer" if len(ones) < len(others) else "as many"
    return More(one, order, other)


def related(scene: Scene, rng: Generator) -> Related | None:
    """Find where the one thing is from the other, or which is larger."""
    return _related(scene, rng, definite=True)


def loosely_related(scene: Scene, rng: Generator) -> Related | None:
    """Find where something is from something else."""
    return _related(scene, rng, definite=False)


def located(scene: Scene, rng: Generator) -> Located | None:
    """Find in which half of the picture the only thing of a kind is."""
    one = any_object(scene, rng)
    phrase = only(one, scene, rng)
    sides = [side for side in SIDES if scene.on(one, side)]
    return Located(phrase, sides[int(rng.integers(len(sides)))]) if phrase and sides else None


def largest(scene: Scene, rng: Generator) -> Extreme | None:
    """Find what the largest or the smallest thing is."""
    order = ("largest", "smallest")[int(rng.integers(2))]
    found = extreme(scene, order)
    if found is None:
        return None
    phrase = describe(found, rng)
    return Extreme(order, phrase) if phrase.noun != ANYTHING and not phrase.size else None


def listing(scene: Scene, rng: Generator) -> Both | None:
    """List classes with how many of each there are."""
    nouns = list(dict.fromkeys(one.noun for one in scene.objects))
    if len(nouns) < 2:
        return None
    chosen = [nouns[int(row)] for row in rng.permutation(len(nouns))[:LISTED]]
    facts = []
    for noun in chosen:
        found = Phrase(noun).among(scene)
        colours = {one.colour for one in found}
        colour = colours.pop() if len(colours) == 1 and rng.integers(2) else ""
        facts.append(Count(Phrase(noun, colour), len(found), least=len(found) == 1))
    return Both(tuple(facts))


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "presence": presence,
        "count": count,
        "several": several,
        "more": more,
        "related": related,
        "loosely related": loosely_related,
        "located": located,
        "largest": largest,
        "listing": listing,
    }
)


def sure(fact: Fact, scene: Scene) -> bool:
    """Tell whether nobody could argue about a fact, true or false, or say that it makes no sense of this scene."""
    if not all(phrase.clear(scene) for phrase in fact.phrases()):
        return False
    match fact:
        case Located() | Related():
            named = all(len(phrase.among(scene)) == 1 for phrase in fact.phrases())
            loose = isinstance(fact, Related) and not fact.definite
            return (named or loose) and not fact.arguable(scene)
        case More():
            return all(phrase.among(scene) for phrase in fact.phrases())
        case Extreme():
            return extreme(scene, fact.order) is not None
        case _:
            return True


def _related(scene: Scene, rng: Generator, *, definite: bool) -> Related | None:
    two = two_objects(scene, rng)
    if two is None:
        return None
    one, other = two
    phrases = [only(which, scene, rng) if definite else describe(which, rng) for which in two]
    relations = [relation for relation in BESIDE if scene.beside(one, relation, other)]
    if definite and scene.larger(one, other):
        relations += ["larger"] * 2
    if definite and scene.larger(other, one):
        relations += ["smaller"] * 2
    if phrases[0] is None or phrases[1] is None or not relations:
        return None
    if not definite and phrases[0].noun == phrases[1].noun:  # nobody says that a dog is above a dog
        return None
    return Related(phrases[0], relations[int(rng.integers(len(relations)))], phrases[1], definite)
