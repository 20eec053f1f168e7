"""The watch over losses: what noise is left alone, and what is stopped."""

import pytest
import torch

from minivlm.training.watch import LONG, Watch


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
