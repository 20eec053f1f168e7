"""What the tests of BERT's weights share: transformers' chance."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def torch_seed() -> Iterator[None]:
    """Fix the global generator, from which transformers draws its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
