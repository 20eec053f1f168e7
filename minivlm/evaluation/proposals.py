"""What a detector's first stage proposes: only networks in this process show it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.inference.backend import TorchBackend
from minivlm.inference.detector import Detector, TorchDetector


def require_proposals(backend: Detector) -> Any:
    """Return a detector, a module that proposes boxes: no type says so, as each has its own signature.

    Raises:
        UserError: The backend runs an artifact, which gives regions only, or its detector has no such stage.
    """
    vision: Any = None
    if isinstance(backend, TorchDetector):
        vision = backend.module
    elif isinstance(backend, TorchBackend):
        vision = backend.module.vision
    if vision is None or not hasattr(vision, "propose"):
        raise UserError("--proposals needs a detector in PyTorch that proposes boxes: leave it out, or --artifact")
    return vision


@torch.no_grad()
def proposal_corners(backend: Detector, photo: Image.Image) -> NDArray[np.float64]:
    """Return (P, 4) proposals in xyxy pixels of a photo.

    Raises:
        UserError: See `require_proposals`.
    """
    vision = require_proposals(backend)
    fitted = backend.fit(photo)
    proposed = vision.propose(vision.backbone(fitted.image), fitted.extent)
    boxes: Tensor = proposed if isinstance(proposed, Tensor) else proposed[0][proposed[1]]
    corners: NDArray[np.float64] = fitted.to_photo(boxes.float()).double().numpy()
    return corners
