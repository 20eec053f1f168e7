"""The trainer: steps by hand, equalities between runs that must not differ, and whatever may go wrong."""

import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.process import Terminated
from minivlm.training import watch
from minivlm.training.optimization import AdamW
from tests.training.linear import PLAIN, LinearStage, Numbers
from tests.training.linear_runs import log_of, run


def untimed(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if "second" not in key} for line in log_of(folder)]


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "linear.pt", weights_only=True)
    return state


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


class TestStep:
    def test_of_sgd_by_hand(self, tmp_path: Path) -> None:
        how = replace(PLAIN, warmup=4, warmup_start=1 / 3, weight_decay=0.5, batch=8)
        stage = LinearStage(optimization=how)
        before = [value.detach().clone() for value in stage.model.parameters()]
        batch = stage.examples.collate([stage.examples.example(index, torch.Generator(), 0.0) for index in range(8)])
        error = batch.inputs @ before[0][0] + before[1] - batch.wanted  # (8,)
        slopes = [2.0 * (error[:, None] * batch.inputs).mean(0, keepdim=True), 2.0 * error.mean(0, keepdim=True)]
        run(stage, tmp_path / "run", steps=1)
        rate = 0.1 * (1 / 3 + 2 / 3 / 4)  # the first of four steps from a third
        expected = [before[0] - rate * (slopes[0] + 0.5 * before[0]), before[1] - rate * slopes[1]]
        for value, wanted in zip(stage.model.parameters(), expected, strict=True):
            torch.testing.assert_close(value.detach(), wanted, rtol=1e-5, atol=1e-7)  # float32, in another order
        (line,) = log_of(tmp_path / "run")
        assert line["losses"]["total"] == pytest.approx(error.square().mean().item(), rel=1e-5)
        assert line["gradient"] == pytest.approx(math.hypot(slopes[0].norm(), slopes[1].norm()), rel=1e-5)
        assert line["learning_rate"] == pytest.approx(rate)

    def test_is_no_longer_than_the_clip(self, tmp_path: Path) -> None:
        stage = LinearStage(optimization=replace(PLAIN, learning_rate=1.0, clip=0.01))
        before = [value.detach().clone() for value in stage.model.parameters()]
        run(stage, tmp_path / "run", steps=1)
        moved = [value.detach() - old for value, old in zip(stage.model.parameters(), before, strict=True)]
        assert math.hypot(*(one.norm() for one in moved)) == pytest.approx(0.01, rel=1e-4)

    def test_of_a_batch_in_parts_is_that_of_the_batch(self, tmp_path: Path) -> None:
        how = replace(PLAIN, optimizer=AdamW(betas=(0.9, 0.99)), batch=8)
        for parts in (1, 2, 4):
            run(LinearStage(Numbers(16), replace(how, accumulate=parts)), tmp_path / str(parts), steps=6)
        whole, *others = [weights(tmp_path / str(parts)) for parts in (1, 2, 4)]
        for other in others:
            for key, value in whole.items():
                torch.testing.assert_close(other[key], value, rtol=1e-5, atol=1e-6)  # sums in another order
        first, *logs = [log_of(tmp_path / str(parts)) for parts in (1, 2, 4)]
        for log in logs:
            assert [line["losses"]["total"] for line in log] == pytest.approx(
                [line["losses"]["total"] for line in first], rel=1e-5
            )

    @pytest.mark.parametrize(("mixed", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
    def test_computes_in_bfloat16_where_the_recipe_says_so(
        self, tmp_path: Path, mixed: bool, dtype: torch.dtype
    ) -> None:
        stage = LinearStage(optimization=replace(PLAIN, mixed=mixed))
        run(stage, tmp_path / "run", steps=1)
        assert stage.seen[0][1] == dtype
        assert stage.layer.weight.dtype == torch.float32

    def test_has_chance_of_its_own(self, tmp_path: Path) -> None:
        stage = LinearStage(dropout=0.5)
        run(stage, tmp_path / "run", steps=4)
        assert len({chance for _, _, chance in stage.seen}) == 4


class TestSteps:
    def test_are_as_many_as_the_recipe_shows_all_data(self, tmp_path: Path) -> None:
        stage = LinearStage(Numbers(9))
        assert run(stage, tmp_path / "run") == 5  # 2 times 9 examples, 4 a step, rounded up
        shown = [index for indices, _, _ in stage.seen for index in indices]
        assert sorted(shown[:9]) == sorted(shown[9:18]) == list(range(9))
        assert shown[:9] != shown[9:18]  # in another order

    def test_tell_how_much_is_done(self, tmp_path: Path) -> None:
        told: list[float] = []
        run(LinearStage(Numbers(8, note=lambda _, progress: told.append(progress))), tmp_path / "run", steps=4)
        assert told == [progress for progress in (0.0, 0.25, 0.5, 0.75) for _ in range(4)]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_do_not_depend_on_workers(self, tmp_path: Path, workers: int) -> None:
        for count in (0, workers):
            run(LinearStage(Numbers(8, noise=0.1), replace(PLAIN, batch=2)), tmp_path / str(count), workers=count)
        assert same(weights(tmp_path / "0"), weights(tmp_path / str(workers)))

    def test_of_another_seed_are_others(self, tmp_path: Path) -> None:
        for seed in (0, 1):
            run(LinearStage(Numbers(8, noise=0.1)), tmp_path / str(seed), seed=seed)
        assert not same(weights(tmp_path / "0"), weights(tmp_path / "1"))

    def test_lead_to_what_was_to_be_learnt(self, tmp_path: Path) -> None:
        stage = LinearStage(Numbers(64), replace(PLAIN, epochs=20, batch=8, final=0.0))
        run(stage, tmp_path / "run")
        torch.testing.assert_close(stage.layer.weight.detach(), torch.ones(1, 3), atol=1e-3, rtol=0.0)
        torch.testing.assert_close(stage.layer.bias.detach(), torch.ones(1), atol=1e-3, rtol=0.0)


def test_the_average_is_what_is_saved(tmp_path: Path) -> None:
    stage = LinearStage(optimization=replace(PLAIN, ema=0.5))
    first = stage.layer.weight.detach().clone()
    run(stage, tmp_path / "average", steps=2)
    plain, weight = LinearStage(), []
    for steps in (1, 2):
        plain = LinearStage()
        run(plain, tmp_path / str(steps), steps=steps)
        weight.append(plain.layer.weight.detach().clone())
    # Kept of the old value: 2/11 at the first step and 3/12 at the second, both below 0.5.
    expected = 2 / 11 * first + 9 / 11 * weight[0]
    expected = 3 / 12 * expected + 9 / 12 * weight[1]
    torch.testing.assert_close(weights(tmp_path / "average")["1.weight"], expected)
    torch.testing.assert_close(stage.layer.weight.detach(), weight[1])  # training goes on from its own weights


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to train linear on"):
        run(LinearStage(Numbers(0)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_example_that_cannot_be_made_ends_the_training_in_one_line(tmp_path: Path, workers: int) -> None:
    with pytest.raises(UserError, match=r"^example 3 is broken: mend it$"):
        run(LinearStage(Numbers(8, broken=3)), tmp_path / "run", workers=workers)


class Interrupter:
    """Asks its own process to end when a step is computed."""

    def __init__(self, number: int, call: int) -> None:
        self.number, self.call = number, call

    def __call__(self, loss: Tensor, call: int) -> Tensor:
        if call == self.call:
            os.kill(os.getpid(), self.number)
        return loss


class TestResumed:
    HOW = replace(PLAIN, optimizer=AdamW(betas=(0.9, 0.99)), ema=0.9, warmup=3, epochs=4)

    def stage(self, **more: Any) -> LinearStage:
        return LinearStage(Numbers(12, noise=0.3), self.HOW, dropout=0.3, **more)

    @pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
    def test_after_a_signal_equals_one_that_was_left_alone(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str], number: int, kind: type[BaseException]
    ) -> None:
        run(self.stage(), tmp_path / "whole")
        for call in (2, 3):  # in the second step, then in the third after those that were saved
            with pytest.raises(kind):
                run(self.stage(change=Interrupter(number, call)), tmp_path / "cut", resume=True)
        assert "stopped after step 5 of 12, saved: the same with --resume goes on" in capfd.readouterr().err
        assert len(log_of(tmp_path / "cut")) == 5
        run(self.stage(), tmp_path / "cut", resume=True)
        assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
        assert untimed(tmp_path / "cut") == untimed(tmp_path / "whole")

    def test_after_a_crash_repeats_what_was_not_saved(self, tmp_path: Path) -> None:
        def crash(loss: Tensor, call: int) -> Tensor:
            if call == 4:
                raise ZeroDivisionError
            return loss

        run(self.stage(), tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            run(self.stage(change=Interrupter(signal.SIGINT, 2)), tmp_path / "cut")
        with pytest.raises(ZeroDivisionError):
            run(self.stage(change=crash), tmp_path / "cut", resume=True)
        assert len(log_of(tmp_path / "cut")) == 5  # three steps more than the state
        (tmp_path / "cut" / ".state.pt.0123abcd.partial").write_bytes(b"half")
        run(self.stage(), tmp_path / "cut", resume=True)
        assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
        assert untimed(tmp_path / "cut") == untimed(tmp_path / "whole")
        assert not list((tmp_path / "cut").glob(".*"))

    def test_from_before_the_first_state_begins_anew(self, tmp_path: Path) -> None:
        def crash(loss: Tensor, call: int) -> Tensor:
            if call == 3:
                raise ZeroDivisionError
            return loss

        run(self.stage(), tmp_path / "whole")
        with pytest.raises(ZeroDivisionError):
            run(self.stage(change=crash), tmp_path / "cut")
        run(self.stage(), tmp_path / "cut", resume=True)
        assert untimed(tmp_path / "cut") == untimed(tmp_path / "whole")


class TestGoneWrong:
    @pytest.mark.parametrize("what", ["loss", "gradient"])
    def test_is_no_number(self, tmp_path: Path, what: str) -> None:
        def spoil(loss: Tensor, call: int) -> Tensor:
            if call == 4:
                return loss * math.inf if what == "loss" else loss + (loss - loss.detach()).sqrt()
            return loss

        stage = LinearStage(change=spoil)
        with pytest.raises(
            UserError, match=r"length \S+ at step 4: .*; the state of step 3 is kept; give a --learning-rate below"
        ) as caught:
            run(stage, tmp_path / "run", save_every_minutes=0.0)
        assert "\n" not in str(caught.value)
        assert same(weights(tmp_path / "run"), stage.model.state_dict())  # no weight has moved since
        assert len(log_of(tmp_path / "run")) == 3

    def test_is_far_too_high_for_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "LONG", 20)
        stage = LinearStage(
            optimization=replace(PLAIN, learning_rate=0.0), change=lambda loss, call: loss * (100 if call > 40 else 1)
        )
        with pytest.raises(UserError, match=r"diverged: the median loss of 20 steps is \S+, and was \S+ before; the"):
            run(stage, tmp_path / "run", save_every_minutes=0.0, steps=100)
        log = log_of(tmp_path / "run")
        assert 50 <= len(log) <= 52
        state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
        assert 40 <= state["step"] <= 42  # the last good one
