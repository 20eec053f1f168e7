"""Trains a linear layer and tee-tiny without chance, for a comparison of one process with two: shared_run.py FOLDER."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from minivlm.training import detection
from minivlm.training.detection import Lessons
from minivlm.training.detector_stage import DetectorStage
from minivlm.training.optimization import SGD, ParameterGroup
from minivlm.training.sampling import Sampling
from minivlm.training.trainer import TrainOptions, train
from tests.training.linear import PLAIN, LinearStage, Numbers
from tests.training.tiny_run import Squares, tiny_recipe, tiny_stage

BATCH = 4
ALL = Sampling(count=10**6, positive_share=1.0)
"""All boxes learn: none is left to chance, of which each process has its own."""


class OnePicture(Squares):
    """The same picture every time: of pictures with other objects, each process would divide by its own number."""

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        return super().example(index, torch.Generator().manual_seed(7), progress)


class SteadyStage(DetectorStage):
    """A detector whose BatchNorms keep their statistics: in train mode each process would have its own."""

    def prepare(self) -> Sequence[ParameterGroup]:
        groups = super().prepare()
        for part in self.model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return groups


def train_both(folder: Path) -> None:
    options = TrainOptions(folder=folder / "linear", steps=6, device="cpu")
    train(LinearStage(Numbers(16, noise=0.3), replace(PLAIN, batch=BATCH)), options, {})
    detection.ANCHOR_SAMPLING = ALL
    recipe = tiny_recipe(batch=BATCH, optimizer=SGD(momentum=0.0), learning_rate=0.1, warmup=0, mixed=False)
    recipe = replace(recipe, lessons=Lessons(crossing=True, rois=ALL))
    options = TrainOptions(folder=folder / "detector", steps=1, device="cpu")
    train(SteadyStage(**vars(tiny_stage(recipe, OnePicture(1)))), options, {})


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_both(Path(sys.argv[1]))
