"""What the tests of the command line share: the command itself, two photos, and the pipeline behind it."""

from pathlib import Path

import pytest

from minivlm.cli.main import main
from minivlm.inference.pipeline import Pipeline
from tests.cli.ended import Command, Ended
from tests.tiny import NAME, save_photo


@pytest.fixture
def minivlm(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command with the arguments given; whatever reaches the two streams, by whatever way, is seen."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def tiny(minivlm: Command) -> Command:
    """Run a task with the tiny model."""
    return lambda *arguments: minivlm(*arguments, "--model", NAME)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photo(tmp_path_factory.mktemp("photos") / "photo.png")


@pytest.fixture(scope="module")
def other_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photo(tmp_path_factory.mktemp("photos") / "other.png", (90, 200), seed=1)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(NAME)
