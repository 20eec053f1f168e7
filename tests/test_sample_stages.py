"""`make sample` as make sees it: which stages are done in which order, and that none is done twice."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = {
    "sample": [
        *("data drawings", "data scenes", "data scenes", "train detector", "evaluate detection"),
        *("data drawings", "data scenes", "train detector", "train detector", "checkpoint average"),
        *("evaluate detection", "checkpoint import"),
        *("data scenes", "train features", "train pretrain", "train tasks"),
        *("data scenes", "train features", "train tasks", "train tasks", "checkpoint average", "checkpoint halve"),
        *("data scenes", "evaluate detection", "evaluate $task", "evaluate retrieval") * 2,
        "checkpoint card",
    ],
    "sample-lite": [
        *("data drawings", "data scenes", "data scenes", "train detector", "evaluate detection", "checkpoint halve"),
        *("data scenes", "evaluate detection") * 2,
        "checkpoint card",
    ],
}

DATA = (
    *("drawings/about.json", "more-drawings/about.json"),
    *(f"scenes/{name}/about.json" for name in ("train", "val", "styles", "language", "critic")),
)
LEARNT = (
    *("done/detector", "done/further-1", "done/further-2", "seeing/config.json", "done/seeing"),
    *("start/config.json", "done/features"),
)
SCORED = (
    *(
        "done/pretrain",
        "done/tasks",
        "done/critic-features",
        "done/critic",
        "done/surer",
        "mean/config.json",
        "model/config.json",
    ),
    *("scenes/test/about.json", "scenes/unseen-style/about.json"),
    *("done/scores-test", "done/scores-unseen-style", "model/MODEL_CARD.md"),
)
"""What stages leave behind, by which make sees that they have ended."""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment that make takes for complete, and nothing of the sample."""
    (tmp_path / "venv").mkdir()
    for name in (".made", ".runtime", ".sample"):
        (tmp_path / "venv" / name).touch()
    return tmp_path


def commands(folder: Path, target: str, *flags: str) -> list[str]:
    """Return the lines that make would run."""
    told = [f"VENV={folder}/venv", f"SAMPLE_DIR={folder}/sample", f"ASSETS={folder}/assets", *flags]
    done = subprocess.run(["make", "-n", target, *told], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def planned(folder: Path, target: str) -> list[str]:
    """Return the subcommands that make would run."""
    return re.findall(r"-m minivlm (\S+ \S+)", "\n".join(commands(folder, target)))


def finish(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "sample" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sample" / name).touch()


@pytest.mark.parametrize("target", STAGES)
def test_every_stage_follows_those_that_it_needs(folder: Path, target: str) -> None:
    assert planned(folder, target) == STAGES[target]


def test_what_is_there_is_not_made_again_whatever_its_age(folder: Path) -> None:
    """What is needed is younger than what was made of it, as after copying it from another machine."""
    finish(folder, *DATA, *LEARNT, *SCORED)
    for place, name in enumerate(
        (*DATA, *LEARNT, "done/pretrain", "done/tasks", "done/critic-features", "done/critic", "done/surer")
    ):
        os.utime(folder / "sample" / name, (2e9 - place, 2e9 - place))
    assert planned(folder, "sample") == []


def test_it_goes_on_with_the_first_stage_that_has_not_ended(folder: Path) -> None:
    finish(folder, *DATA, *LEARNT)
    left = STAGES["sample"][STAGES["sample"].index("train pretrain") :]
    left.remove("data scenes")  # the critic's
    assert planned(folder, "sample") == left


def test_what_has_begun_goes_on(folder: Path) -> None:
    """The trainings and scores that have no mark of their end are run again, with --resume."""
    lines = commands(folder, "sample")
    resumable = [line for line in lines if re.search(r"minivlm (train (?!features)|evaluate)", line)]
    assert len(resumable) == 15
    assert all("--resume" in line for line in resumable)


def test_new_scores_make_a_new_card_and_nothing_else(folder: Path) -> None:
    finish(folder, *DATA, *LEARNT, *SCORED)
    assert planned(folder, "sample") == []
    os.utime(folder / "sample" / "done" / "scores-test", (2e9, 2e9))
    assert planned(folder, "sample") == ["checkpoint card"]


def test_the_shipped_one_is_scored_as_a_new_one_is(folder: Path) -> None:
    """On the same scenes, by the same commands; nothing is trained, and the card stays as it is."""
    finish(folder, *DATA)
    lines = commands(folder, "sample-scores")
    plan = re.findall(r"-m minivlm (\S+ \S+)", "\n".join(lines))
    assert plan == ["data scenes", "data scenes", *("evaluate detection", "evaluate $task", "evaluate retrieval") * 2]
    assert sum("--checkpoint sample " in line for line in lines) == 6
    made = "\n".join(commands(folder, "sample"))
    assert made.count(" --limit 100 ") == 2 == "\n".join(lines).count(" --limit 100 ")


def test_no_pictures_are_learnt_from_twice(folder: Path) -> None:
    """Of what it has learnt, the detector knows too much for language, and language too much for the critic."""
    said = "\n".join(commands(folder, "sample"))
    seeds = {
        name: re.search(rf"scenes/{name} --split train --count \d+ --seed (\d+|\$\(\(0 \+ \d\)\)) ", said)
        for name in ("train", "language", "styles", "critic")
    }
    assert {name: found and found[1] for name, found in seeds.items()} == {
        "train": "0",
        "language": "$((0 + 1))",
        "styles": "$((0 + 2))",
        "critic": "$((0 + 3))",
    }


def test_two_detectors_go_on_from_the_first_in_more_styles(folder: Path) -> None:
    lines = commands(folder, "sample")
    further = [line for line in lines if "--recipe scenes-further" in line]
    assert len(further) == 2
    assert all(f"--start {folder}/sample/detector " in line and "scenes/styles" in line for line in further)
    assert len({line[line.rindex("--seed") :] for line in further}) == 2
    styles = next(line for line in lines if "minivlm data scenes" in line and "/scenes/styles" in line)
    assert f"--drawings {folder}/sample/more-drawings " in styles
    assert sum("more-drawings" in line for line in lines) == 3  # nothing else but the critic's is drawn with them


def test_captions_are_rewarded_last(folder: Path) -> None:
    trained = [line for line in commands(folder, "sample") if "minivlm train tasks" in line]
    assert [re.search(r"--recipe (\S+)", line)[1] for line in trained] == ["small-world", "truthful", "surer"]
    assert [re.search(r"--start \S*/(\S+)", line)[1] for line in trained] == ["pretrain", "tasks", "critic"]
    assert ["/sample/scenes/critic " in line for line in trained] == [False, True, True]


def test_sizes_are_variables(folder: Path) -> None:
    flags = ("SAMPLE_SCENES=24", "SAMPLE_DETECTOR=--steps 3", "SAMPLE_THREADS=2")
    said = "\n".join(commands(folder, "sample", *flags))
    assert "--split train --count 24 " in said
    assert "--steps 3 --seed 0 --workers 1 --threads 2 --resume" in said
    assert said.count("--threads 2") == 7
