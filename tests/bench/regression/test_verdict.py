"""Verdicts on records made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from bench.records.record import ArtifactFile, Failure, MachineRates, Memory, Record, failed_instead
from bench.regression.verdict import Judgement, Verdict, judge
from minivlm.errors import UserError
from tests.bench.samples import FAILED, SAMPLE

ARTIFACT = ArtifactFile("tee-0.pte", 1_000_000, "ab", delegated={"forward": 0.9}, parity={"forward SQNR dB": 90.0})


def repeats(count: int = 12, scale: float = 1.0, scatter: float = 0.01, seed: int = 0, **changes) -> list[Record]:
    """Repeats of 100 ms that scatter by a share, from another seed each side."""
    factors = np.exp(np.random.default_rng(seed).normal(0.0, scatter, count))
    return [
        replace(SAMPLE, round=number, samples={"forward": [100.0 * scale * factor] * 3}, **changes)
        for number, factor in enumerate(factors.tolist())
    ]


def latency(base: list[Record], new: list[Record]) -> Judgement:
    (found,) = [judgement for judgement in judge(base, new) if judgement.quantity == "latency"]
    return found


class TestTimes:
    @pytest.mark.parametrize("run", [SAMPLE.run, "another"])
    @pytest.mark.parametrize(
        ("scale", "verdict"),
        [(1.10, Verdict.SLOWER), (0.9, Verdict.FASTER), (1.0, Verdict.NO_CHANGE), (1.005, Verdict.NO_CHANGE)],
    )
    def test_clear_cases_get_clear_verdicts(self, run, scale, verdict):
        found = latency(repeats(24), repeats(24, scale, seed=1, run=run))
        assert found.verdict is verdict
        assert found.evidence.paired is (run == SAMPLE.run)
        assert found.regression is (verdict is Verdict.SLOWER)

    def test_a_certain_change_below_the_floor_is_none(self):
        found = latency(repeats(24, scatter=0.001), repeats(24, 1.02, scatter=0.001, seed=1))
        assert found.evidence.p < 1e-6
        assert found.verdict is Verdict.NO_CHANGE

    def test_noise_is_not_a_verdict_and_says_what_would_be_one(self):
        found = latency(repeats(12, scatter=0.1), repeats(12, 1.05, scatter=0.1, seed=1))
        assert found.verdict is Verdict.CANNOT_TELL
        assert not found.regression
        assert "could have shown" in found.reason
        assert "repeats would show 5%" in found.reason

    def test_too_few_repeats_show_nothing_however_large_the_change(self):
        found = latency(repeats(3), repeats(3, 3.0, seed=1))
        assert found.verdict is Verdict.CANNOT_TELL
        assert "at least 10" in found.reason  # 2 / 2^10 is the first below 0.01 / 3 comparisons

    def test_the_same_file_twice_has_not_changed(self):
        assert latency(repeats(12), repeats(12)).verdict is Verdict.NO_CHANGE

    def test_repeats_that_stand_there_again_count_once(self):
        base, new = repeats(4, run="a") * 3, repeats(4, 1.5, seed=1, run="b") * 3
        assert latency(base, new).verdict is Verdict.CANNOT_TELL
        assert latency(base, new).evidence.repeats == 4

    def test_rounds_that_one_side_lacks_are_left_out(self):
        assert latency(repeats(12), repeats(24, 1.1, seed=1)[6:]).evidence.repeats == 6

    def test_separate_runs_on_a_machine_of_another_speed_tell_nothing(self):
        slow = MachineRates(gmac_per_s=400.0, gb_per_s=40.0)
        found = latency(repeats(12), repeats(12, 2.0, seed=1, run="another", machine=slow))
        assert found.verdict is Verdict.CANNOT_TELL
        assert "machine's own speed differs by 100%" in found.reason

    def test_more_memory_is_a_regression_in_its_own_words(self):
        more = [replace(record, memory=Memory(400_000_000, 200_000_000)) for record in repeats(seed=1)]
        (found,) = [each for each in judge(repeats(), more) if each.quantity == "peak memory"]
        assert (found.word, found.regression) == ("more", True)

    def test_the_more_is_compared_the_clearer_a_change_must_be(self):
        models = [f"model-{number}" for number in range(40)]
        base = [replace(record, model=model) for model in models for record in repeats(10)]
        new = [replace(record, model=model) for model in models for record in repeats(10, seed=1)]
        new[:10] = repeats(10, 1.5, seed=1, model=models[0])
        found = latency([record for record in base if record.model == models[0]], new[:10])
        assert found.verdict is Verdict.SLOWER  # alone, 2 / 2^10 is below 0.01 / 3
        among = next(each for each in judge(base, new) if each.quantity == "latency")
        assert among.verdict is Verdict.CANNOT_TELL  # and not below 0.01 / 120


class TestDeterministicMetrics:
    @pytest.mark.parametrize(
        ("change", "verdict"),
        [
            ({"bytes": 1_000_900}, Verdict.EQUAL),  # within a thousandth
            ({"bytes": 1_002_000}, Verdict.DIFFERENT),
            ({"delegated": {"forward": 0.91}}, Verdict.DIFFERENT),
            ({"parity": {"forward SQNR dB": 87.0}}, Verdict.EQUAL),  # within 5 %
            ({"parity": {"forward SQNR dB": 80.0}}, Verdict.DIFFERENT),
        ],
    )
    def test_an_artifact_s_metrics_keep_their_tolerances(self, change, verdict):
        base = repeats(artifact=ARTIFACT)
        found = judge(base, repeats(seed=1, artifact=replace(ARTIFACT, **change)))
        fixed = [judgement.verdict for judgement in found if judgement.evidence is None]
        assert fixed.count(Verdict.DIFFERENT) == (verdict is Verdict.DIFFERENT)
        assert len(fixed) == 5  # params, MACs, bytes, delegated share, parity

    def test_one_multiply_add_more_is_different(self):
        counts = replace(SAMPLE.counts, macs=SAMPLE.counts.macs + 1)
        (found,) = [each for each in judge(repeats(), repeats(seed=1, counts=counts)) if each.quantity == "MACs"]
        assert (found.verdict, found.regression, found.reason) == (Verdict.DIFFERENT, True, "must be equal")

    def test_a_metric_that_moves_between_repeats_is_named(self):
        planned = [replace(record, memory=Memory(3, 2, planned_bytes=record.round % 2)) for record in repeats(seed=1)]
        (found,) = [each for each in judge(planned, planned) if each.quantity == "planned memory"]
        assert found.verdict is Verdict.DIFFERENT
        assert "repeats of base" in found.reason


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"threads": 2}, "threads: 4 / 2"),
            ({"environment": {"cpu": "Other CPU", "cores": 4}}, "cpu: Example CPU / Other CPU"),
            ({"inputs": {"image": [1, 3, 256, 256]}}, "inputs"),
            ({"weights": "checkpoint x"}, "weights: random (seed 0) / checkpoint x"),
            ({"photo": {"name": "other.jpg", "sha256": "cd" * 32}}, "photo"),
            ({"affinity": [0]}, "affinity: None / [0]"),
            ({"environment": {"phone": "iPhone16,1", "cores": 4}}, "phone: null / iPhone16,1"),
            ({"profile": "quick"}, "profile"),
            ({"turns": 3}, "order: sequence / turns"),
        ],
    )
    def test_other_conditions_are_not_compared(self, changes, reason):
        with pytest.raises(UserError) as caught:
            judge(repeats(), repeats(seed=1, **changes))
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("changes", [{"precision": "int8"}, {"runtime": "onnx"}, {"threads_asked": 2}])
    def test_another_case_is_another_row(self, changes):
        found = judge(repeats(), [*repeats(seed=1), *repeats(seed=2, **changes)])
        assert [each.reason for each in found if each.verdict is Verdict.INCOMPARABLE] == ["measured only in new"]

    def test_what_worked_and_fails_now_is_broken(self):
        (found,) = judge(repeats(runtime="executorch"), [FAILED])
        assert (found.verdict, found.regression) == (Verdict.BROKEN, True)
        assert found.reason == "failed in new: 1 of 1 repeats (round 1): killed by signal 11"

    @pytest.mark.parametrize("count", [1, 2, 11, 12])
    def test_any_number_of_failures_is_broken_and_the_rest_is_judged(self, count):
        base, new = repeats(), repeats(seed=1)
        new[:count] = [failed_instead(record, FAILED.error) for record in new[:count]]
        found = judge(base, new)
        assert found[0].verdict is Verdict.BROKEN
        assert found[0].reason.startswith(f"failed in new: {count} of 12 repeats (round 1")
        assert len(found) == (1 if count == 12 else 6)  # params, MACs, latency, load time and peak memory

    @pytest.mark.parametrize(("base", "new", "broken"), [(1, 1, False), (3, 1, False), (1, 2, True), (0, 1, True)])
    def test_where_base_fails_too_new_is_broken_if_it_fails_more_often(self, base, new, broken):
        sides = repeats(), repeats(seed=1)
        for side, count in zip(sides, (base, new), strict=True):
            side[:count] = [failed_instead(record, FAILED.error) for record in side[:count]]
        assert any(each.regression for each in judge(*sides)) is broken

    def test_another_way_to_fail_is_broken(self):
        base, new = repeats(), repeats(seed=1)
        base[0] = failed_instead(base[0], FAILED.error)
        new[0] = failed_instead(new[0], Failure(1, "ended with exit code 1"))
        assert judge(base, new)[0].verdict is Verdict.BROKEN

    def test_what_new_lacks_altogether_is_broken(self):
        base = [*repeats(), *repeats(model="minilm")]
        (found,) = [each for each in judge(base, repeats(seed=1)) if each.regression]
        assert (found.case.model, found.verdict) == ("minilm", Verdict.BROKEN)
        assert found.reason == "measured only in base"

    def test_what_failed_before_is_no_regression(self):
        found = judge([*repeats(), FAILED], [*repeats(seed=1), FAILED])
        (remark,) = [each.reason for each in found if not each.quantity]
        assert remark.startswith("failed in base: 1 of 1 repeats (round 1): killed by signal 11; failed in new: 1 of 1")
        assert not any(each.regression for each in found)
