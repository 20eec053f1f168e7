"""Whether int8 is worth it: judged from records made by hand."""

from dataclasses import replace

import pytest

from bench import int8, run
from bench.int8 import int8_table, pairs, processor, speed, verdict
from bench.records.file import append
from bench.records.record import ArtifactFile, Record, failed_instead
from bench.session.session import Session
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.weights.making import make_random
from tests.bench.samples import FAILED, SAMPLE


def records(*, fp32: list[float], times: float, runtime: str = "onnx") -> list[Record]:
    """Rounds of fp32 at these milliseconds and int8 at so many times as many, an artifact a quarter as large."""
    made = []
    for number, ms in enumerate(fp32):
        for precision, factor, size, sqnr in (("fp32", 1.0, 4000, 120.0), ("int8", times, 1000, 25.0)):
            artifact = ArtifactFile(precision, size, "ab", {}, {"forward median feature SQNR dB": sqnr})
            samples = {"forward": [factor * ms]}
            made.append(
                replace(SAMPLE, runtime=runtime, precision=precision, round=number, samples=samples, artifact=artifact)
            )
    return made


DRIFTING = [10.0, 20.0, 11.0, 35.0, 12.0, 18.0, 40.0, 13.0, 22.0, 15.0]
"""Milliseconds of ten rounds on a machine whose speed changes fourfold."""


@pytest.mark.parametrize(
    ("times", "said", "worth"),
    [
        (0.5, "faster: 2.00 times as fast", "yes"),
        (1.25, "slower: 0.80 times", "for size only"),
        (1.0, "as fast", "for size"),
    ],
)
def test_rounds_are_compared_with_themselves_however_the_machine_drifts(times, said, worth):
    (pair,) = pairs(records(fp32=DRIFTING, times=times))
    assert speed(pair.evidence, pair.evidence.p).startswith(said)
    assert verdict(pair.evidence, pair.evidence.p) == worth


def test_few_rounds_cannot_tell():
    (pair,) = pairs(records(fp32=DRIFTING[:4], times=0.9))
    assert speed(pair.evidence, pair.evidence.p).startswith("cannot tell: 1.11 times")


def test_size_and_verification_are_the_artifacts():
    (pair,) = pairs(records(fp32=DRIFTING, times=0.5))
    assert pair.size == 0.25
    assert pair.verification == "forward median feature SQNR dB 120 -> 25"


def test_what_was_measured_in_one_precision_only_is_left_out():
    half = [record for record in records(fp32=DRIFTING, times=1.0, runtime="litert") if record.precision == "fp32"]
    found = pairs([*records(fp32=DRIFTING, times=1.0), *half, FAILED, SAMPLE])
    assert [pair.runtime for pair in found] == ["onnx"]
    with pytest.raises(UserError, match="in fp32 and in int8"):
        pairs(half)


def test_a_round_that_failed_on_one_side_is_left_out():
    made = records(fp32=DRIFTING, times=0.5)
    (pair,) = pairs([record for record in made if (record.round, record.precision) != (3, "int8")])
    assert [record.round for record in pair.fp32] == [record.round for record in pair.int8]
    assert len(pair.fp32) == 9


def test_the_processor_s_instructions_are_named():
    record = replace(SAMPLE, environment={"cpu": "Example CPU", "cpu_features": ["avx2", "avx512_vnni"]})
    assert processor([record]).startswith("Example CPU has avx512_vnni")
    assert "no instructions for int8" in processor([SAMPLE])


def test_records_can_be_judged_without_measuring(tmp_path, capsys):
    for record in records(fp32=DRIFTING, times=0.5):
        append(tmp_path / "records.jsonl", record)
    int8.main(["--records", str(tmp_path / "records.jsonl")])
    printed = capsys.readouterr().out
    assert "tee-0, onnx" in printed
    assert "yes" in printed
    assert int8_table(pairs(records(fp32=DRIFTING, times=0.5))).row_count == 1


def test_a_repeat_counts_once_and_one_that_failed_is_said():
    made = records(fp32=DRIFTING[:4], times=0.5) * 3
    (pair,) = pairs(made)
    assert len(pair.fp32) == 4
    crash = failed_instead(made[-1], FAILED.error)
    (pair,) = pairs([*made, crash])
    assert pair.failed == "failed in int8: 1 of 4 repeats (round 4): killed by signal 11"
    assert "no: failed in int8" in "".join(map(str, int8_table([pair]).columns[-1].cells))


def test_threads_and_machines_are_not_mixed():
    made = records(fp32=DRIFTING, times=0.5)
    others = [replace(record, threads_asked=2, threads=2) for record in made]
    elsewhere = [replace(record, run="x", environment={"cpu": "Other CPU", "cores": 4}) for record in made]
    found = pairs([*made, *others, *elsewhere])
    assert [len(pair.fp32) for pair in found] == [10, 10, 10]
    assert [pair.apart for pair in found] == [
        ", 4 threads (cpu Example CPU)", ", 2 threads (cpu Example CPU)", " (cpu Other CPU)"
    ]  # fmt: skip


def test_weights_go_to_the_measuring(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(session: Session, steps: Steps) -> None:
        asked.append(session.plan)
        for record in records(fp32=DRIFTING, times=0.5):
            append(tmp_path / "records.jsonl", record)

    monkeypatch.setattr(run, "measure", measure)
    make_random(tmp_path / "mine", "minivlm-tiny")
    int8.main(["--output", str(tmp_path), "--checkpoint", str(tmp_path / "mine")])
    assert (asked[0].weights.checkpoint, asked[0].models) == (tmp_path / "mine", ["minivlm-tiny"])
    assert asked[0].precisions == ["fp32", "int8"]
    int8.main(["--output", str(tmp_path), "--seed", "3"])
    assert (asked[1].weights.seed, asked[1].models) == (3, ["tee-0", "minilm"])


@pytest.mark.parametrize("flags", [["--seed", "1"], ["--checkpoint", "somewhere"]])
def test_weights_beside_records_would_do_nothing_and_are_refused(tmp_path, flags):
    with pytest.raises(UserError, match="--records measures nothing"):
        int8.main(["--records", str(tmp_path / "records.jsonl"), *flags])
