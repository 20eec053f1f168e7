"""Mixed styles are other pictures' means and spreads, and nothing else: by arithmetic and PyTorch's instance norm."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import instance_norm

from minivlm.training.style_mixing import in_style_of, mix_styles
from tests.training.made import seeded

CLOSE = {"atol": 1e-4, "rtol": 1e-4}
"""Float32 over 35 pixels, and instance norm's own epsilon of 1e-5 in a variance of about 1."""


def features(batch: int = 3, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(batch, 4, 5, 7, generator=seeded(seed))
    return drawn * torch.arange(1.0, batch + 1.0)[:, None, None, None] + torch.arange(4.0)[:, None, None]


def kept(*shares: float) -> torch.Tensor:
    return torch.tensor(shares)[:, None, None, None]


@given(shares=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), turn=st.integers(0, 2))
@settings(deadline=None)
def test_mean_and_spread_lie_between_the_two_pictures(shares: list[float], turn: int):
    own, others = features(), (torch.arange(3) + turn) % 3
    mixed = in_style_of(own, others, kept(*shares))
    share = torch.tensor(shares)[:, None]
    for statistic in (lambda x: x.mean((2, 3)), lambda x: x.std((2, 3), correction=0)):
        wanted = share * statistic(own) + (1.0 - share) * statistic(own)[others]
        torch.testing.assert_close(statistic(mixed), wanted, **CLOSE)


def test_the_pattern_stays_as_instance_norm_sees_it():
    own = features()
    mixed = in_style_of(own, torch.tensor([2, 0, 1]), kept(0.0, 0.3, 0.9))
    torch.testing.assert_close(instance_norm(mixed), instance_norm(own), **CLOSE)


def test_who_keeps_all_of_a_style_stays_as_it_is():
    own = features()
    torch.testing.assert_close(in_style_of(own, torch.tensor([1, 2, 0]), kept(1.0, 1.0, 1.0)), own, **CLOSE)


def test_a_channel_without_pattern_stays_finite():
    flat = torch.full((2, 1, 3, 3), 5.0)
    mixed = in_style_of(flat, torch.tensor([1, 0]), kept(0.5, 0.5))
    torch.testing.assert_close(mixed, flat, **CLOSE)


def test_the_style_teaches_nothing():
    """A gradient of the mixed mean, which is a constant, is none."""
    own = features().requires_grad_()
    mixed = in_style_of(own, torch.tensor([1, 2, 0]), kept(0.5, 0.5, 0.5))
    (mixed - own.detach()).sum().backward()
    spread = own.detach().std((2, 3), correction=0, keepdim=True)
    wanted = (0.5 * spread + 0.5 * spread[[1, 2, 0]]) / spread  # of d mixed / d own, with mean and spread held
    torch.testing.assert_close(own.grad, wanted.expand_as(own), **CLOSE)


@pytest.fixture
def mixing() -> nn.Sequential:
    model = nn.Sequential(nn.Identity().eval(), nn.ReLU())
    mix_styles(model, 1.0, places=("0",))
    return model


def test_a_model_mixes_only_while_it_learns(mixing: nn.Sequential):
    given = features().abs()
    assert not mixing.train()(given).equal(given)
    with torch.no_grad():
        assert mixing(given).equal(given)
    assert mixing.eval()(given).equal(given)


def test_chance_is_that_of_the_step(mixing: nn.Sequential):
    def shown(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return mixing.train()(features())

    assert shown(1).equal(shown(1))
    assert not shown(1).equal(shown(2))


def test_a_share_of_the_steps_mixes():
    model = nn.Sequential(nn.Identity())
    mix_styles(model, 0.25, places=("0",))
    torch.manual_seed(0)
    given = features()
    mixed = sum(not model(given).equal(given) for _ in range(400))
    assert 60 < mixed < 140  # 100 are expected, with a standard deviation of 9
