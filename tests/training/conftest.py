"""torchvision's detection code, the independent implementation that training is held against."""

from types import ModuleType

import pytest

from minivlm.vision.efficientnet import import_timm


@pytest.fixture(scope="session")
def torchvision_detection() -> ModuleType:
    import_timm()  # makes `import torchvision` possible with any build of torch
    from torchvision.models import detection

    return detection
