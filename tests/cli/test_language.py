"""`minivlm train` for language, `minivlm pseudo-label`, and what becomes of what they write, on the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from minivlm.cli.main import main
from minivlm.datasets.captions import read_captions
from minivlm.datasets.pictures import PictureFolder
from minivlm.inference.pipeline import Pipeline
from tests.evaluation.made import ANSWERS, data_folder
from tests.tiny import NAME, save_photo

RUN = ("--recipe", "small-world", "--steps", 2, "--batch", 4, "--workers", 0, "--threads", 1, "--cpu")


def run(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    return (code, *capfd.readouterr())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "model"
    main(["checkpoint", "random", str(folder), "--model", NAME])
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, data: Path, start: Path) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "regions"
    main(["train", "features", str(folder), "--data", str(data), "--checkpoint", str(start)])
    return folder


def flags(data: Path, kept: Path, start: Path) -> tuple[Any, ...]:
    return ("--data", data, "--features", kept, "--start", start, *RUN)


def test_from_pre_training_to_a_model_that_is_evaluated(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (tmp_path / name for name in ("pretrain", "tasks", "cider"))
    code, out, err = run(capfd, "train", "pretrain", first, *flags(data, kept, start), "--tags", "both")
    assert (code, out) == (0, f"{first}: {NAME}, pretrain on 13 examples, 2 steps\n"), err
    assert "left out: 1 questions without answers (5)" in err
    code, out, err = run(capfd, "train", "tasks", second, *flags(data, kept, first))
    assert code == 0, err
    code, out, err = run(capfd, "train", "caption", third, "--cider", *flags(data, kept, second))
    assert code == 0, err
    said = json.loads((third / "config.json").read_text())
    assert said["sources"]["heads.vqa"] == "minivlm train tasks --recipe small-world"
    assert said["sources"]["language.caption_head"] == "minivlm train cider --recipe small-world"
    assert said["sources"]["language.pooler"] == "minivlm train tasks --recipe small-world"
    assert said["random"] is True  # its detector is
    code, out, err = run(capfd, "evaluate", "vqa", "--data", data, "--checkpoint", third)
    assert (code, "vqa: 5 examples" in out) == (0, True), err


def test_a_recipe_for_true_captions_needs_scenes(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The data here has captions and boxes, but nobody says what is true of them."""
    told = ("train", "caption", tmp_path / "true", "--cider", "--data", data, "--features", kept, "--start", start)
    code, out, err = run(capfd, *told, *RUN, "--recipe", "truthful")
    assert (code, out) == (2, ""), err
    assert err.splitlines()[-1].startswith("error: ")
    assert "minivlm data scenes" in err.splitlines()[-1]
    assert not (tmp_path / "true").exists()


def test_pictures_in_shards_teach_the_same_weights_and_are_judged_the_same(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shards = tmp_path / "shards"
    assert run(capfd, "data", "shards", data, shards, "--most", 2)[0] == 0
    code, out, err = run(capfd, "train", "features", kept, "--data", shards, "--checkpoint", start)
    assert (code, "0 of them new" in out) == (0, True), err
    for name, source in (("files", data), ("tar", shards)):
        code, _, err = run(capfd, "train", "pretrain", tmp_path / name, *flags(source, kept, start))
        assert code == 0, err
        scores = tmp_path / f"{name}-scores"
        code, _, err = run(capfd, "evaluate", "vqa", "--data", source, "--checkpoint", start, "--output", scores)
        assert code == 0, err
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("files", "tar")]
    assert weights[0] == weights[1]
    records = [(tmp_path / f"{name}-scores" / "vqa.jsonl").read_text().splitlines()[1:] for name in ("files", "tar")]
    assert records[0] == records[1]
    code, _, err = run(capfd, "pseudo-label", tmp_path / "said", "--images", shards / "images", "--checkpoint", start)
    assert code == 0, err
    assert (tmp_path / "said" / "boxes.json").is_file()


def test_a_blind_model_is_trained_and_judged_without_any_picture(
    data: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With other pictures under the same names all weights are the same, bit for bit."""
    others = tmp_path / "others"
    shutil.copytree(data, others)
    for picture in (others / "images").iterdir():
        save_photo(picture, seed=99)
    weights = []
    for folder in (data, others):
        out, flags = tmp_path / folder.name, ("--data", folder, "--blind", *RUN)
        for stage, before, extra in (
            ("pretrain", start, ()),
            ("tasks", out / "pretrain", ()),
            ("caption", out / "tasks", ("--cider",)),
        ):
            code, _, err = run(capfd, "train", stage, out / stage, *flags, "--start", before, *extra)
            assert code == 0, err
        weights.append((out / "caption" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    model = tmp_path / others.name / "caption"
    said = json.loads((model / "config.json").read_text())
    assert said["origin"] == (
        "minivlm train cider --recipe small-world --blind; minivlm train tasks --recipe small-world --blind"
    )
    for task in ("caption", "vqa", "nlvr2", "retrieval"):
        results = []
        for folder in (data, others):
            kept = tmp_path / f"{task}-{folder.name}"
            code, _, err = run(
                capfd, "evaluate", task, "--data", folder, "--checkpoint", model, "--blind", "--output", kept
            )
            assert (code, "note: the model" in err) == (0, False), err
            results.append((kept / f"{task}.jsonl").read_text())
        assert results[0] == results[1]
        assert json.loads(results[0].splitlines()[0])["sight"] == "no picture"


def test_who_judges_a_model_in_another_way_than_it_was_trained_is_told(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    blind, seeing = tmp_path / "blind", tmp_path / "seeing"
    assert run(capfd, "train", "vqa", blind, "--data", data, "--blind", "--start", start, *RUN)[0] == 0
    assert run(capfd, "train", "vqa", seeing, *flags(data, kept, start))[0] == 0
    for model, extra, said in (
        (blind, (), "note: the model was trained without pictures and is shown some: judge it with --blind"),
        (blind, ("--blind",), None),
        (seeing, ("--blind",), "note: the model was trained on pictures and is shown none"),
        (seeing, (), None),
    ):
        code, _, err = run(capfd, "evaluate", "vqa", "--data", data, "--checkpoint", model, *extra)
        notes = [line for line in err.splitlines() if line.startswith("note: the model")]
        assert (code, len(notes)) == (0, int(said is not None))
        assert said is None or notes[0].startswith(said)


def test_a_training_that_goes_on_is_the_same_and_with_another_start_it_is_refused(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(capfd, "train", "nlvr2", tmp_path / "one", *flags(data, kept, start))[0] == 0
    code, _, err = run(capfd, "train", "nlvr2", tmp_path / "one", *flags(data, kept, tmp_path / "one"), "--resume")
    assert code == 2
    assert err.splitlines()[-1].startswith("error: cannot go on with")
    assert "its start is" in err.splitlines()[-1]


def test_answers_of_the_data_become_a_new_head(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.txt"
    answers.write_text("".join(f"{answer}\n" for answer in ANSWERS[3:6]))
    code, _, err = run(capfd, "train", "vqa", tmp_path / "out", *flags(data, kept, start), "--answers", answers)
    assert code == 0, err
    assert (tmp_path / "out" / "answers.txt").read_text() == answers.read_text()
    assert Pipeline.load(checkpoint=tmp_path / "out").labels.answers == ANSWERS[3:6]


def test_mistakes_are_one_line(
    data: Path, kept: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for arguments, hint in (
        (("--data", data, "--features", kept, *RUN), "--start"),
        (("--data", data, "--start", start, *RUN), "--features --blind"),
        (("--data", data, "--start", start, "--blind", "--tags", "data", *RUN), "--tags data"),
        (flags(data, tmp_path, start), "minivlm train features"),
        (flags(data, tmp_path / "nothing", start), "is no folder"),
        (flags(tmp_path, kept, start), "holds no data"),
        ((*flags(data, kept, start), "--tags", "people"), "--tags"),
    ):
        code, printed, err = run(capfd, "train", "pretrain", out, *arguments)
        assert (code, printed) == (2, "")
        assert hint in err
        assert err.startswith("error: ")
        assert not out.exists()


def test_a_vocabulary_is_made_of_a_data_set(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vocab.txt"
    code, out, err = run(capfd, "train", "vocabulary", path, "--data", data, "--most", 200)
    assert (code, out) == (0, f"{path}: {len(path.read_text().splitlines())} tokens\n"), err
    assert {"table", "both", "unheard"} <= set(path.read_text().splitlines())
    assert run(capfd, "train", "vocabulary", path, "--data", data)[0] == 2


def test_what_a_teacher_says_is_data_to_learn_from(
    data: Path, start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    (photos / "images").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (photos / "images" / name).write_bytes((data / "images" / name).read_bytes())
    (photos / "images" / "broken.png").write_bytes(b"nothing")
    teacher = ("pseudo-label", photos, "--images", photos / "images", "--checkpoint", start)
    code, out, err = run(capfd, *teacher)
    assert code == 0, err
    assert "left out: " in err
    assert "broken.png" in err
    captions = read_captions(photos / "captions.json", PictureFolder(photos / "images"))
    pipeline = Pipeline.load(checkpoint=start)
    for example in captions.examples:
        assert example.captions == (pipeline.caption(pipeline.regions(example.picture)).text,)
    code, out, _ = run(capfd, "data", "check", photos)
    assert "boxes" in out
    kept = tmp_path / "kept"
    assert run(capfd, "train", "features", kept, "--data", photos, "--checkpoint", start)[0] in (0, 2)
    (photos / "images" / "broken.png").unlink()
    assert run(capfd, "train", "features", kept, "--data", photos, "--checkpoint", start)[0] == 0
    code, out, err = run(capfd, "train", "pretrain", tmp_path / "out", *flags(photos, kept, start), "--tags", "data")
    assert code == 0, err
    code, _, err = run(capfd, *teacher)
    assert (code, "would be overwritten" in err) == (2, True)
    (photos / "captions.json").unlink()
    (photos / "boxes.json").unlink()
    assert run(capfd, *teacher)[0] == 2
    assert run(capfd, *teacher, "--resume")[0] == 0
