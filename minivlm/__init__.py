"""MiniVLM (Wang et al. 2020): exact reference models in PyTorch, made to be exported to devices."""

from minivlm.registry import create_model, list_models

__all__ = ["create_model", "list_models"]
