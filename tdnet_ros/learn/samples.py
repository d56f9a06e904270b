"""Training samples: sample n of a run is a pure function of (seed, n), so runs resume exactly."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from tdnet_ros.learn.augment import (
    Augmentation,
    CameraChange,
    Motion,
    camera_motion,
    choose_classes,
    random_view,
    warp_image,
    warp_label,
)
from tdnet_ros.learn.datasets import Dataset, check_one_size
from tdnet_ros.learn.reading import read_image
from tdnet_ros.nets.classes import UNLABELED


class Clip(NamedTuple):
    """Frames in the order of time; batched by the loader (a leading B on every field)."""

    images: Tensor
    """uint8 RGB [T, 3, h, w]"""
    labels: Tensor
    """uint8 [T, h, w], UNLABELED where nothing is known"""
    still: Tensor
    """bool []: all frames are the same picture"""


@dataclass(frozen=True)
class ClipRecipe:
    """What a sample looks like."""

    frames: int
    crop: tuple[int, int]
    augmentation: Augmentation = field(default_factory=Augmentation)
    motion: Motion = field(default_factory=Motion)
    still_share: float = 1.0
    """Share of samples that repeat one frame; the others move."""
    max_gap: int = 2
    """Real video: largest step between the frames of a sample."""


class ClipSamples(TorchDataset[Clip]):
    """Endless samples of a data set; every pass visits the labelled frames in a new order."""

    def __init__(self, dataset: Dataset, recipe: ClipRecipe, input_size: tuple[int, int],
                 seed: int, cache_bytes: int = 0) -> None:
        """
        Draw from a data set what a network with an input of that (height, width) learns from.

        cache_bytes: room for decoded pictures that are kept.
        """
        self._dataset = dataset
        self.recipe = recipe
        self._seed = seed
        self._labelled = dataset.labelled()
        self._input_size = input_size
        self._cache: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._cache_room = cache_bytes

    def __getitem__(self, number: int) -> Clip:
        """Draw sample number n (0, 1, ... without end)."""
        visit, place = divmod(number, len(self._labelled))
        order = np.random.default_rng((self._seed, visit)).permutation(len(self._labelled))
        rng = np.random.default_rng((self._seed, visit, place))
        clip, position = self._labelled[order[place]]
        still = rng.random() < self.recipe.still_share
        history = () if still else self._history(rng, position)
        images, labels = self._draw(rng, self._frames(clip, [*history, position]), still)
        return Clip(torch.from_numpy(images), torch.from_numpy(labels), torch.tensor(still))

    def preload(self) -> None:
        """Decode frames until the cache is full, so that worker processes share them."""
        console = Console(stderr=True)
        for clip, position in track(self._labelled, 'decoding', transient=True, console=console,
                                    disable=not console.is_terminal):
            self._load(clip, position)
            if (clip, position) not in self._cache:
                break

    def _load(self, clip: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        cached = self._cache.get((clip, position))
        if cached is not None:
            return cached
        frame = self._dataset.clips[clip][position]
        image = read_image(frame.image)
        if frame.label is None:
            return image, np.full(image.shape[:2], UNLABELED, np.uint8)
        pair = image, self._dataset.read_label(frame.label)
        size = pair[0].nbytes + pair[1].nbytes
        if size <= self._cache_room:
            self._cache_room -= size
            self._cache[clip, position] = pair
        return pair

    def _history(self, rng: np.random.Generator, position: int) -> Sequence[int]:
        """Return the positions before one with random gaps; none where the clip is too short."""
        gaps = rng.integers(1, self.recipe.max_gap + 1, self.recipe.frames - 1)
        places = position - np.cumsum(gaps)[::-1]
        return places.tolist() if (places >= 0).all() else ()

    def _frames(self, clip: int, places: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Read frames of a clip; all must have the size of the last."""
        pairs = [self._load(clip, place) for place in places]
        frames = [self._dataset.clips[clip][place] for place in places]
        for frame, (_, label) in zip(frames, pairs):
            check_one_size(frame, label.shape, frames[-1], pairs[-1][1].shape)
        return pairs

    def _draw(self, rng: np.random.Generator, frames: list[tuple[np.ndarray, np.ndarray]],
              still: bool) -> tuple[np.ndarray, np.ndarray]:
        recipe = self.recipe
        count = recipe.frames
        image, label = frames[-1]
        view = self._view(rng, label)
        change = CameraChange.draw(rng, recipe.augmentation)
        exposures = np.ones(count)
        if len(frames) > 1:
            images = [_draw_image(image, view, recipe.crop) for image, _ in frames]
            labels = [warp_label(label, view, recipe.crop) for _, label in frames]
        else:
            moves = [np.eye(3)]
            if not still and count > 1:
                moves = camera_motion(rng, recipe.motion, count, recipe.crop)
                exposures = 1 + recipe.motion.exposure * rng.uniform(-1, 1, count)
            images, labels = self._move(image, label, [m @ view for m in moves])
            if rng.random() < recipe.augmentation.paste:
                self._paste(rng, moves, images, labels)
        changed = [change.apply(rng, i, e) for i, e in zip(images, exposures)]
        repeats = count // len(changed)
        return np.stack(changed * repeats).transpose(0, 3, 1, 2), np.stack(labels * repeats)

    def _view(self, rng: np.random.Generator, label: np.ndarray) -> np.ndarray:
        """Map a picture to a random crop of what the network's input makes of it."""
        view = random_view(rng, self.recipe.augmentation, self._input_size, self.recipe.crop)
        height, width = (ours / theirs for ours, theirs in zip(self._input_size, label.shape))
        return view @ np.diag([width, height, 1.0])

    def _move(self, image: np.ndarray, label: np.ndarray,
              views: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Draw a frame as each of the views shows it."""
        crop = self.recipe.crop
        return ([_draw_image(image, view, crop) for view in views],
                [warp_label(label, view, crop) for view in views])

    def _paste(self, rng: np.random.Generator, moves: list[np.ndarray],
               images: list[np.ndarray], labels: list[np.ndarray]) -> None:
        """Put things of another frame, which move like the first one's, onto the frames."""
        other = self._load(*self._labelled[rng.integers(len(self._labelled))])
        view = self._view(rng, other[1])
        other_images, other_labels = self._move(*other, [m @ view for m in moves])
        chosen = choose_classes(rng, other_labels[0])
        for image, label, other_image, other_label in zip(images, labels, other_images,
                                                          other_labels):
            things = np.isin(other_label, chosen)
            image[things] = other_image[things]
            label[things] = other_label[things]


def _draw_image(image: np.ndarray, view: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """Draw the crop of an image; outside it is the image's mean colour."""
    return warp_image(image, view, crop, image.reshape(-1, 3)[::97].mean(0).tolist())
