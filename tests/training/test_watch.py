"""The watch over losses: what noise is left alone, and what is stopped."""

import pytest
import torch

from minivlm.training.watch import LONG, Watch, Watches


def after(*parts: tuple[int, float]) -> Watch:
    """Return a watch that has seen noisy losses: so many, about so large, part after part."""
    watch = Watch()
    generator = torch.Generator().manual_seed(0)
    for count, level in parts:
        for noise in torch.rand(count, generator=generator).tolist():
            watch.see(level * (0.5 + noise))
    return watch


@pytest.mark.parametrize(
    "parts",
    [
        ((10, 1.0),),
        ((10 * LONG, 1.0),),
        ((5 * LONG, 8.0), (5 * LONG, 2.0)),
        ((5 * LONG, 2.0), (5 * LONG, 4.0)),  # larger pictures, harder tasks
        ((5 * LONG, 2.0), (LONG // 4, 50.0), (5 * LONG, 2.0)),  # a spike that passes
        ((5 * LONG, 8.0), (5 * LONG, 0.001), (5 * LONG, 0.1)),  # learnt by heart, where a trifle triples it
    ],
)
def test_leaves_a_training_alone(parts: tuple[tuple[int, float], ...]) -> None:
    assert not after(*parts).diverged


@pytest.mark.parametrize("parts", [((LONG, 8.0), (5 * LONG, 2.0), (LONG, 9.0)), ((2 * LONG, 2.0), (LONG, 1e9))])
def test_stops_what_has_gone_wrong_for_long(parts: tuple[tuple[int, float], ...]) -> None:
    assert after(*parts).diverged


def test_suspects_a_state_long_before() -> None:
    parts = ((LONG, 8.0), (5 * LONG, 2.0))
    assert not after(*parts).suspicious
    watch = after(*parts, (LONG // 10, 9.0))
    assert watch.suspicious
    assert not watch.diverged


class TestOfSeveralTasks:
    """Steps of two tasks by turns, whose losses are of different sizes."""

    @staticmethod
    def after(*parts: tuple[int, float, float], share: float = 0.5) -> Watches:
        """Return watches that have seen so many steps with noisy losses, a share of them of the second task."""
        watches = Watches()
        generator = torch.Generator().manual_seed(0)
        for count, one, other in parts:
            for noise, task in torch.rand(count, 2, generator=generator).tolist():
                name, level = ("other", other) if task < share else ("one", one)
                watches.see({"total": level * (0.5 + noise), name: 0.0})
        return watches

    @pytest.mark.parametrize("share", [0.4, 0.45, 0.5, 0.55])
    def test_leaves_them_alone_whichever_has_the_majority(self, share: float) -> None:
        watches = self.after((20 * LONG, 0.4, 9.0), share=share)
        assert not watches.diverged
        assert not watches.suspicious

    def test_one_watch_for_all_steps_would_not(self) -> None:
        """By this the test above can fail: the median of all jumps between the two."""
        watch, generator = Watch(), torch.Generator().manual_seed(0)
        stopped = False
        for noise, task in torch.rand(20 * LONG, 2, generator=generator).tolist():
            watch.see((9.0 if task < 0.5 else 0.4) * (0.5 + noise))
            stopped = stopped or watch.diverged
        assert stopped

    def test_stops_when_one_of_them_has_gone_wrong_for_long(self) -> None:
        watches = self.after((2 * LONG, 8.0, 9.0), (10 * LONG, 0.4, 9.0), (3 * LONG, 4.5, 9.0))
        assert watches.diverged
        assert watches.told.count("median") == 1
