"""The smallest stage that can be trained: a linear layer that is to become another one, known beforehand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.training.optimization import SGD, Optimization, ParameterGroup

INPUTS = 3
PLAIN = Optimization(
    optimizer=SGD(momentum=0.0),
    learning_rate=0.1,
    weight_decay=0.0,
    batch=4,
    epochs=2,
    warmup=0,
    warmup_start=0.0,
    final=1.0,
)


@dataclass(frozen=True)
class Pairs:
    """A batch: (B, 3) inputs, (B,) wanted outputs, and which examples they are."""

    inputs: Tensor
    wanted: Tensor
    indices: tuple[int, ...]

    def to(self, device: torch.device) -> "Pairs":
        return Pairs(self.inputs.to(device), self.wanted.to(device), self.indices)


@dataclass(frozen=True)
class Numbers:
    """Examples by index alone, plus as much noise as is asked for; one of them may be broken."""

    count: int = 8
    noise: float = 0.0
    broken: int | None = None
    note: Callable[[int, float], None] | None = None

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        if self.note is not None:
            self.note(index, progress)
        if index == self.broken:
            raise UserError(f"example {index} is broken: mend it")
        inputs = torch.randn(INPUTS, generator=torch.Generator().manual_seed(index))
        return inputs + self.noise * torch.randn(INPUTS, generator=generator), inputs.sum() + 1.0, index

    def collate(self, examples: Sequence[Any]) -> Pairs:
        inputs, wanted, indices = zip(*examples, strict=True)
        return Pairs(torch.stack(inputs), torch.stack(wanted), indices)


@dataclass
class LinearStage:
    """Squared errors of a linear layer after dropout, and whatever a test wants to do to them."""

    examples: Any = field(default_factory=Numbers)
    optimization: Optimization = PLAIN
    dropout: float = 0.0
    change: Callable[[Tensor, int], Tensor] = lambda loss, call: loss
    name: str = "linear"
    calls: int = 0
    seen: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(INPUTS, 1))
        with torch.no_grad():
            for value in self.model.parameters():
                value.copy_(torch.linspace(-0.5, 0.5, value.numel()).reshape(value.shape))

    @property
    def layer(self) -> nn.Linear:
        layer = self.model[1]
        assert isinstance(layer, nn.Linear)
        return layer

    def prepare(self) -> Sequence[ParameterGroup]:
        self.model.train()
        return [ParameterGroup(parameters=tuple(self.model.parameters()))]

    def losses(self, batch: Pairs, generator: torch.Generator) -> Mapping[str, Tensor]:
        said = self.model(batch.inputs)[:, 0]
        loss = (said.float() - batch.wanted).square().mean()
        self.calls += 1
        self.seen.append((batch.indices, said.dtype, float(torch.rand((), generator=generator))))
        return {"total": self.change(loss, self.calls), "half": loss.detach() / 2}

    def save(self, folder: Path) -> None:
        torch.save(self.model.state_dict(), folder / "linear.pt")
