"""`minivlm show` on the command line: what is printed and drawn of three scenes that come with the package."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minivlm.cli.main import main
from tests.tiny import NAME


def run(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main(["show", *(str(argument) for argument in arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    return (code, *capfd.readouterr())


def test_without_data_the_shipped_scenes_are_shown_as_text_and_drawn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "new" / "shown.png"
    code, out, err = run(capfd, "--model", NAME, "--plot", plot)
    assert code == 0
    names = ["test-7.jpg", "test-8.jpg", "unseen-style-18.jpg"]
    assert [line for line in out.splitlines() if line in names] == names
    assert "  there is  tangerine (3), skunk, sailboat, sauropod" in out
    assert "  true      there is a sailboat, a green sauropod and a skunk" in out
    assert out.count("  answer ") == 6
    assert "(wrong: 3)" in out  # the tiny model's made-up answers hold no numbers
    assert "outputs mean nothing; --checkpoint sample is trained" in err
    with Image.open(plot) as picture:
        assert picture.format == "PNG"
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 1000


def test_one_picture_by_name_and_nothing_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "--model", NAME, "--pictures", "unseen-style-18.jpg")
    assert code == 0
    assert out.startswith("unseen-style-18.jpg\n")
    assert "drawn" not in out
    assert "test-7" not in out


def test_data_that_are_no_scenes_are_shown_without_verdicts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 40, "height": 30}
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    content = {"images": [image], "categories": [{"id": 1, "name": "owl"}], "annotations": boxes}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    code, out, _ = run(capfd, "--model", NAME, "--data", tmp_path)
    assert code == 0
    assert "  there is  owl\n" in out
    assert "(true)" not in out
    assert "(not true)" not in out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--plot", "shown.txt"), "the name must end in"),
        (("--pictures", "test-9.jpg"), "did you mean test-8.jpg or test-7.jpg"),
        (("--data", "nowhere"), "nowhere is no folder"),
    ],
)
def test_a_mistake_is_one_line(flags: tuple[str, ...], told: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "--model", NAME, *flags)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
