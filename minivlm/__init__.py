"""MiniVLM (Wang et al. 2020): exact reference models in PyTorch, made to be exported to devices."""

from minivlm.models.registry import list_models
from minivlm.weights.loading import create_model

__version__ = "0.1.0"
__all__ = ["create_model", "list_models"]
