"""`minivlm evaluate` on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from minivlm.cli.main import main
from tests.evaluation.made import data_folder
from tests.tiny import NAME


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


def run(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main(["evaluate", *(str(argument) for argument in arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    return (code, *capfd.readouterr())


def test_a_task_is_scored_kept_and_gone_on_with(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("vqa", "--data", data, "--model", NAME, "--output", tmp_path / "out")
    code, out, err = run(capfd, *flags, "--limit", 3, "--json", tmp_path / "result.json")
    assert code == 0
    assert "left out: 1 questions without answers (5)" in out
    assert "vqa: 3 examples" in out
    assert err == "weights: random (seed 0): outputs mean nothing; --checkpoint sample is trained\n"
    result = json.loads((tmp_path / "result.json").read_text())
    assert result == json.loads((tmp_path / "out" / "vqa.json").read_text())
    assert (result["command"], result["examples"], result["weights"]["random"]) == ("evaluate vqa", 3, True)
    assert 0.0 <= result["values"]["accuracy"] <= 1.0
    code, out, err = run(capfd, *flags)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "--resume" in err
    code, out, _ = run(capfd, *flags, "--resume")
    assert (code, "vqa: 5 examples" in out) == (0, True)
    code, out, err = run(capfd, *flags, "--resume", "--seed", 1)
    assert (code, out, "its weights is" in err) == (2, "", True)


def test_two_results_are_compared(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in (0, 1):
        folder = tmp_path / str(number)
        run(capfd, "nlvr2", "--data", data, "--model", NAME, "--seed", number, "--output", folder)
    files = [tmp_path / str(number) / "nlvr2.jsonl" for number in (0, 1)]
    code, out, err = run(capfd, "compare", *files, "--json", tmp_path / "difference.json")
    assert (code, err) == (0, "")
    assert out.startswith("nlvr2, accuracy of a statement, 2 examples, times 100\n")
    assert "95 % of resamples: " in out
    found = json.loads((tmp_path / "difference.json").read_text())
    assert found["difference"]["low"] <= found["difference"]["high"]


def test_the_detector_runs_once_for_all_tasks(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What minivlm train features kept gives the same answers; it is no place to judge a detector by."""
    model, kept = tmp_path / "model", tmp_path / "kept"
    main(["checkpoint", "random", str(model), "--model", NAME])
    main(["train", "features", str(kept), "--data", str(data), "--checkpoint", str(model)])
    before = sorted(path.name for path in kept.iterdir())
    flags = ("--data", data, "--checkpoint", model)
    for task in ("vqa", "nlvr2"):
        results = []
        for extra in ((), ("--features", kept)):
            assert run(capfd, task, *flags, *extra, "--json", tmp_path / "result.json")[0] == 0
            results.append(json.loads((tmp_path / "result.json").read_text()))
        assert results[0]["values"] == results[1]["values"]
        assert (results[0]["sight"], results[1]["sight"]) == ("detector", "detector, kept in float16")
    code, _, err = run(capfd, "detection", *flags, "--features", kept)
    assert (code, "for texts only" in err) == (2, True)
    assert sorted(path.name for path in kept.iterdir()) == before
    code, out, err = run(capfd, "detection", *flags, "--guess-from", data)
    assert (code, "VG mAP@.5" in out) == (0, True), err


def test_attributes_are_scored_with_their_interval_and_compared(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Random weights find none of the data's objects: what is said of them is put in by hand."""
    for name, attributes in (("a", ["red", None]), ("b", ["red", "red"])):
        run(capfd, "detection", "--data", data, "--model", NAME, "--output", tmp_path / name)
        path = tmp_path / name / "detection.jsonl"
        header, *lines = (json.loads(line) for line in path.read_text().splitlines())
        first = next(line for line in lines if any("attributes" in one for one in line["truth"]))
        dog = {**first["truth"][0], "attributes": ["red"]}
        first["truth"] = [dog, {**dog, "box": [50, 5, 60, 40]}]
        first["found"] = [
            {"name": dog["name"], "box": one["box"], "score": 0.9, "attribute": attribute}
            for one, attribute in zip(first["truth"], attributes, strict=True)
        ]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in (header, *lines)))
    flags = ("detection", "--data", data, "--model", NAME, "--output", tmp_path / "a", "--resume")
    code, out, err = run(capfd, *flags, "--json", tmp_path / "result.json")
    assert code == 0, err
    assert "   50.00  attributes@.5 (95 % of resamples: 50.00 to 50.00)\n" in out
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["values"]["attributes@.5"], result["intervals"]) == (0.5, {"attributes@.5": [0.5, 0.5]})
    files = [tmp_path / name / "detection.jsonl" for name in ("a", "b")]
    code, out, err = run(capfd, "compare", *files, "--measure", "attributes")
    assert (code, out.splitlines()[0]) == (0, "detection, right attribute of a found object, 2 examples, times 100")
    assert "  +50.00  " in out
    code, out, err = run(capfd, "compare", *files, "--measure", "colours")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_results_go_on_as_they_were_made_and_those_from_before_all_names_do(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ("detection", "--data", data, "--model", NAME, "--output", tmp_path)
    assert run(capfd, *flags, "--limit", 1)[0] == 0
    header = json.loads((tmp_path / "detection.jsonl").read_text().splitlines()[0])
    assert header["settings"] == {"split": "test", "beams": 1, "proposals": False}  # as there were when it came
    code, out, err = run(capfd, *flags, "--resume", "--all-names")
    assert (code, out, err.count("cannot go on")) == (2, "", 1)
    code, out, err = run(capfd, *flags[:-1], tmp_path / "named", "--all-names")
    assert (code, "VG mAP@.5, all names" in out) == (0, True), err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["vqa", "--blind", "--features", "x"], "not allowed with"),
        (["detection", "--data", "DATA", "--guess-from", "no-such"], "is no folder"),
        (["vqa", "--resume"], "--output"),
        (["vqa", "--data", "no-such"], "is no folder"),
        (["vqa"], "holds no data"),
        (["caption", "--data", "DATA", "--captions", "DATA/boxes.json", "--split", "x"], ""),
        (["nothing"], "invalid choice"),
        (["compare", "DATA/boxes.json", "DATA/boxes.json"], "first line"),
        (["detection", "--data", "DATA", "--json", "DATA/boxes.json"], "would be overwritten"),
    ],
)
def test_a_mistake_is_one_line(flags: list[str], said: str, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = [flag.replace("DATA", str(data)) for flag in flags]
    model = [] if flags[0] in ("compare", "nothing") else ["--model", NAME]
    code, out, err = run(capfd, *given, *model)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
