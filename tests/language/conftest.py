"""What the language tests share."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from minivlm.vision.efficientnet import import_timm


@pytest.fixture(scope="session")
def transformers() -> Any:
    """The independent implementation that BERT's numbers and token ids come from."""
    pytest.importorskip("transformers")
    import_timm()  # transformers imports torchvision too, and needs the same help where its library does not load
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small only lose by sharing work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
