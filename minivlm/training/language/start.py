"""What a language training starts from: a checkpoint, in which some parts may never have been trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch

from minivlm.inference.backend import TorchBackend, load_torch_backend
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.training.language.parts import CAPTION_HEAD, POOLER, begin_anew
from minivlm.weights.checkpoint import CheckpointInfo, read_info
from minivlm.weights.labels import Labels

VISION = "vision"
REST = "everything else"
"""In a checkpoint's sources, the parts that were put there by chance."""
LANGUAGE = ("language.embeddings", "language.region_projection", "language.encoder", POOLER, CAPTION_HEAD)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A model to be trained.

    Attributes:
        backend: The checkpoint's, for its detector.
        whole: With the weights to start from; its detector is the backend's.
        labels: What its ids mean.
        info: Of the checkpoint.
        sources: Part -> where its weights come from; of the parts that were trained by anybody.
    """

    backend: TorchBackend
    whole: VisionLanguageModel
    labels: Labels
    info: CheckpointInfo
    sources: Mapping[str, str]

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts that are trained or not as a whole."""
        return (VISION, *LANGUAGE, *(f"heads.{name}" for name in self.whole.heads))

    def info_after(self, stage: str, learnt: Sequence[str]) -> CheckpointInfo:
        """Describe the checkpoint that a training leaves.

        Args:
            stage: What there is to say of it.
            learnt: Names of parts, or of parts of these.
        """
        new = {part: stage for part in self.parts if any(_within(one, part) for one in learnt)}
        sources = {**self.sources, **new}
        anew = [part for part in self.parts if part not in sources]
        told = {**sources, REST: self.info.sources.get(REST, "random")} if anew else sources
        stages = dict.fromkeys(source for part, source in sources.items() if part != VISION)
        return replace(
            self.info, origin="; ".join(stages), random=bool(anew), sources=told, heads=tuple(self.whole.heads)
        )


def load_start(checkpoint: Path, answers: Sequence[str] | None, generator: torch.Generator) -> Start:
    """Load a checkpoint; parts that nobody trained get weights to start from, BERT's, in the place of random ones.

    Args:
        checkpoint: Folder of a whole model.
        answers: Other answers than the checkpoint's: the model gets a new head for them.
        generator: Source of these weights.

    Raises:
        UserError: It is missing, damaged, or only a part of a model.
    """
    info = read_info(checkpoint)
    backend = load_torch_backend(checkpoint=checkpoint)
    whole, labels = backend.module, backend.labels
    sources = trained_parts(info, whole)
    if answers is not None and tuple(answers) != labels.answers:
        whole, labels = with_answers(whole, len(answers)), replace(labels, answers=tuple(answers))
        sources.pop("heads.vqa", None)
    start = Start(backend=backend, whole=whole, labels=labels, info=info, sources=MappingProxyType(sources))
    for part in start.parts:
        if part not in sources and part != VISION:
            begin_anew(whole.get_submodule(part), generator)
    return start


def trained_parts(info: CheckpointInfo, whole: VisionLanguageModel) -> dict[str, str]:
    """Return where each part's weights come from, without the parts that are random."""
    parts = (VISION, *LANGUAGE, *(f"heads.{name}" for name in whole.heads))
    if not info.random:
        return {part: info.sources.get(part, info.origin) for part in parts}
    return {
        part: source for part in parts for name, source in info.sources.items() if _within(part, name) and name != REST
    }


def with_answers(whole: VisionLanguageModel, count: int) -> VisionLanguageModel:
    """Return a model with the same parts and a new head for so many answers."""
    heads = whole.config.heads if "vqa" in whole.config.heads else (*whole.config.heads, "vqa")
    changed = VisionLanguageModel(replace(whole.config, answers=count, heads=heads)).eval()
    changed.vision, changed.language = whole.vision, whole.language
    for name in whole.heads:
        if name != "vqa":
            changed.heads[name] = whole.heads[name]
    return changed


def _within(name: str, whole: str) -> bool:
    """Tell whether a name is a part's own, or of something in it."""
    return f"{name}.".startswith(f"{whole}.")
