"""What the tests of scenes share: made-up drawings, and scenes composed of them."""

from pathlib import Path

import pytest

from minivlm.scenes.composing import Composer
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.scene import Scene
from tests.scenes.made_up import make_drawings

SCENES = 60


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_drawings(tmp_path_factory.mktemp("drawings"))


@pytest.fixture(scope="session")
def composer(folder: Path) -> Composer:
    return Composer(Drawings(folder), split="train", seed=3, side=160)


@pytest.fixture(scope="session")
def nouns(composer: Composer) -> tuple[str, ...]:
    return tuple(thing.noun for thing, _ in composer.choices)


@pytest.fixture(scope="session")
def scenes(composer: Composer) -> list[Scene]:
    return [composer.compose(index)[1] for index in range(SCENES)]
