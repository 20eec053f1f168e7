"""Hugging Face accelerate: which process this is, on which device, and how gradients of several are made one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from minivlm.errors import UserError

if TYPE_CHECKING:
    from accelerate import Accelerator

MISSING = "training needs accelerate, which is not installed: pip install 'minivlm-edge[train]'"


@dataclass(frozen=True)
class Engine:
    """One of the processes that train together; see `start_engine`.

    Attributes:
        accelerator: Of accelerate.
        parts: Batches whose gradients make a step.
    """

    accelerator: "Accelerator"
    parts: int

    @property
    def process(self) -> int:
        """This process, from 0."""
        return self.accelerator.process_index

    @property
    def processes(self) -> int:
        """How many there are."""
        return self.accelerator.num_processes

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.accelerator.is_main_process

    @property
    def device(self) -> torch.device:
        """What this process computes on."""
        return self.accelerator.device

    def wait(self) -> None:
        """Wait for the others."""
        self.accelerator.wait_for_everyone()

    def wrap(self, module: nn.Module) -> Any:
        """Return a module whose backward pass averages gradients over all processes."""
        return self.accelerator.prepare_model(module)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of numbers over all processes."""
        return self.accelerator.reduce(values, reduction="mean")


def start_engine(parts: int, device: str | None) -> Engine:
    """Join the other processes, where a launcher has started several.

    Args:
        parts: Batches whose gradients make a step.
        device: "cpu", or None for what accelerate finds best.

    Raises:
        UserError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError:
        raise UserError(MISSING) from None
    # In a batch without attributes the attribute head has no gradient, which the other processes must not wait for.
    parallel = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision="no",  # `trainer` says where bfloat16 is used
        gradient_accumulation_steps=parts,
        kwargs_handlers=[parallel],
    )
    return Engine(accelerator, parts)
