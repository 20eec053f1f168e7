"""Finding the regions of many pictures: one by one on a CPU, many at once on an accelerator; by several processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import torch

from minivlm.images.photos import load_photo
from minivlm.images.preprocess import NetworkInput
from minivlm.inference.backend import TorchBackend, load_torch_detector
from minivlm.inference.detector import Detector, TorchDetector, check_numbers
from minivlm.inference.photo_regions import PhotoRegions, in_photo
from minivlm.inference.pipeline import Pipeline
from minivlm.training.features import Keep, Part, Told, write_regions
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE

AT_ONCE = 32
"""Pictures that an accelerator looks at together."""
READERS = 8
"""Threads that read pictures meanwhile."""

Find = Callable[[Sequence[Path]], Iterable[PhotoRegions]]
"""Finds the regions of pictures, one after another."""


def keep_here(folder: Path, detector: TorchBackend | TorchDetector, told: Told) -> Keep:
    """Return what keeps regions by this process.

    Args:
        folder: Of the regions.
        detector: That finds them.
        told: Of every picture.
    """
    find = finder(detector)

    def keep(parts: Sequence[Part]) -> None:
        done, count = 0, sum(map(len, parts))
        for part in parts:
            found = []
            for regions in find([picture for _, picture in part]):
                found.append(regions)
                done += 1
                told(done, count)
            write_regions(folder, part, found, detector.detector_hash)

    return keep


def keep_by_several(folder: Path, checkpoint: Path, processes: int, told: Told) -> Keep:
    """Return what keeps regions by several processes of one thread each.

    Args:
        folder: Of the regions.
        checkpoint: With the detector.
        processes: How many.
        told: Of every part.
    """

    def keep(parts: Sequence[Part]) -> None:
        done, count = 0, sum(map(len, parts))
        if not parts:
            return
        with ProcessPoolExecutor(min(processes, len(parts)), mp_context=get_context("spawn")) as pool:
            for kept in pool.map(partial(keep_part, folder, checkpoint), parts):
                done += kept
                told(done, count)

    return keep


def keep_part(folder: Path, checkpoint: Path, part: Part) -> int:
    """Keep the regions of one part in a process that does nothing else.

    Returns:
        How many pictures they are of.
    """
    torch.set_num_threads(1)
    detector, find = _finder_of(checkpoint)
    write_regions(folder, part, list(find([picture for _, picture in part])), detector.detector_hash)
    return len(part)


@lru_cache(maxsize=1)
def _finder_of(checkpoint: Path) -> tuple[TorchBackend | TorchDetector, Find]:
    """Load a detector once a process."""
    detector = load_torch_detector(checkpoint=checkpoint)
    return detector, finder(detector)


def finder(detector: TorchBackend | TorchDetector) -> Find:
    """Return what finds regions on the accelerator of this machine, if it has one, and the detector takes batches.

    Args:
        detector: Stays on the CPU unless it goes to the accelerator.
    """
    device = torch.accelerator.current_accelerator(check_available=True)
    module = detector.module.vision if isinstance(detector, TorchBackend) else detector.module
    if device is not None and isinstance(module, TEE):
        _ = detector.detector_hash  # of weights on the CPU
        return BatchFinder(detector, module.to(device), device)
    pipeline = Pipeline(detector)
    return lambda pictures: (pipeline.regions_of(load_photo(picture)) for picture in pictures)


@dataclass(frozen=True)
class BatchFinder:
    """Finds the regions of pictures in batches; to within rounding, those of each picture alone.

    Attributes:
        detector: Makes the inputs.
        model: Its network, on the device.
        device: What it computes on.
    """

    detector: Detector
    model: TEE
    device: torch.device

    def __call__(self, pictures: Sequence[Path]) -> Iterator[PhotoRegions]:
        """Yield the regions of pictures.

        Raises:
            UserError: A picture cannot be read, or the detector computes what is no number.
        """
        with ThreadPoolExecutor(READERS) as readers:
            fitted = list(readers.map(self._fit, pictures))
        for first in range(0, len(fitted), AT_ONCE):
            some = fitted[first : first + AT_ONCE]
            images, extents = torch.cat([one.image for one in some]), torch.stack([one.extent for one in some])
            with torch.no_grad():
                found = self.model.detect_each(images.to(self.device), extents.to(self.device))
            for one, regions in zip(some, found, strict=True):
                here = Regions(**{name: part.cpu() for name, part in regions.present.items()})
                check_numbers(here)
                yield in_photo(one, here)

    def _fit(self, picture: Path) -> NetworkInput:
        return self.detector.fit(load_photo(picture))
