"""Rectangles of things in single pictures from public detectors: of a fixed list of classes, or of any words.

Letters: Q candidates, N boxes, K classes or phrases of the network, C categories of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForObjectDetection, AutoModelForZeroShotObjectDetection
from transformers import AutoProcessor as AutoTextProcessor

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.labels import LABELS, find_label
from distill3d_ros.training.inputs.rectangle_overlap import suppressed
from distill3d_ros.training.teachers.transformers_perception.class_names import (
    covered_classes,
    label_of_name,
    prompted_labels,
)
from distill3d_ros.training.teachers.transformers_perception.networks import Network, load_network

_SOFTMAX: Final = ("detr", "yolos")
"""Closed detectors whose last class is "nothing"; the others have independent classes."""
_SIGMOID: Final = ("conditional_detr", "d_fine", "deformable_detr", "rt_detr", "rt_detr_v2")
_SENTENCE: Final = ("grounding-dino", "mm-grounding-dino")
"""Open-vocabulary detectors that read all phrases as one sentence."""
_QUERIES: Final = ("owlv2", "owlvit")
"""Open-vocabulary detectors that read each phrase for itself."""
LEAST_SCORE = 0.05
"""Boxes of a lower score are not kept."""
MOST_BOXES = 100
"""Of a picture, the best."""


class Detections(Protocol):
    """Candidates of one picture: rectangles (Q, 4), corners as shares of its sides, and probabilities (Q, K)."""

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Tensor, Tensor]: ...


class Detector:
    """A network that finds things, with its classes or phrases as categories of ours.

    Args:
        categories: of each of the network's K classes or phrases; None for those that are none of ours.
        finds: the network on one picture.
    """

    def __init__(self, network: Network, categories: Sequence[str | None], finds: Detections) -> None:
        self.network, self._finds = network, finds
        known = set(categories)
        self.labels: tuple[str, ...] = tuple(label for label in LABELS if label in known)
        """Categories that it tells of, in the order of ``scene.labels.LABELS``."""
        self.covers = covered_classes(self.labels)
        self._columns = [[k for k, c in enumerate(categories) if c == label] for label in self.labels]

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
        """Boxes of a picture (H, W, 3), without those that repeat a better one.

        Returns:
            (N, 4) left, top, right, bottom as shares of the picture's width and height, 0..1, and (N, C) probabilities
            of ``labels``: a category's is the largest of its classes or phrases.
        """
        rectangles, scores = self._finds(image)
        probs = torch.stack([scores[:, columns].amax(1) for columns in self._columns], 1)  # (Q, C)
        rectangles = rectangles.clamp(0, 1)
        area = (rectangles[:, 2:] - rectangles[:, :2]).clamp_min(0).prod(1)
        usable = (probs.amax(1) >= LEAST_SCORE) & (area > 0) & torch.isfinite(rectangles).all(1)
        boxes, kept = rectangles[usable].cpu().numpy(), probs[usable].float().cpu().numpy()
        chosen = suppressed(boxes, kept)[:MOST_BOXES]
        return boxes[chosen], kept[chosen]

    def describe(self) -> dict[str, Any]:
        return {**self.network.describe(), "covers": {label: list(finer) for label, finer in self.covers.items()}}


def load_detector(source: str, *, prompts: Sequence[str], device: torch.device) -> Detector:
    """A detector in a folder, or ``owner/name@revision`` on a hub.

    Args:
        prompts: phrases that an open-vocabulary detector looks for, see ``prompted_labels``.

    Raises:
        FileNotFoundError: it is neither here nor can it be fetched.
        ValueError: it is a network of another task, knows no category of ours, or has classes of its own and is given
            prompts.
    """
    closed = dict.fromkeys((*_SOFTMAX, *_SIGMOID), (AutoModelForObjectDetection, AutoImageProcessor))
    opened = dict.fromkeys((*_SENTENCE, *_QUERIES), (AutoModelForZeroShotObjectDetection, AutoTextProcessor))
    task = "detection of things"
    network = load_network(source, option="--detector", task=task, kinds={**closed, **opened}, device=device)
    if network.kind in opened:
        phrases = prompted_labels(prompts)
        finds: Detections = (_Sentence if network.kind in _SENTENCE else _Queries)(network, tuple(phrases))
        return Detector(network, tuple(phrases.values()), finds)
    if prompts:
        raise ValueError(f"--prompts: '{source}' has classes of its own and reads no words; leave them out")
    names = [str(network.config.id2label[k]) for k in range(len(network.config.id2label))]
    categories = [label_of_name(name) for name in names]
    if not any(categories):
        raise ValueError(
            f"--detector: none of the {len(names)} classes of '{source}' is a category of ours: {', '.join(names[:8])}"
        )
    return Detector(network, categories, _Classes(network))


class _Classes:
    """A network with a fixed list of classes."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        # Without padding, rectangles are shares of the whole picture's sides.
        inputs = self.network.processor(images=image, do_pad=False, return_tensors="pt")
        out = self.network.model(pixel_values=inputs["pixel_values"].to(self.network.device))
        logits = out.logits[0].float()
        scores = logits.softmax(-1)[:, :-1] if self.network.kind in _SOFTMAX else logits.sigmoid()
        return corners(out.pred_boxes[0].float()), scores[:, : len(self.network.config.id2label)]


class _Queries:
    """A network that compares each region with each phrase (OWL-ViT, OWLv2)."""

    def __init__(self, network: Network, phrases: Sequence[str]) -> None:
        self.network = network
        tokenizer = network.processor.tokenizer
        texts = [f"a photo of {_with_article(phrase)}" for phrase in phrases]  # as in its training
        length = network.config.text_config.max_position_embeddings
        self.text = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        processor, device = self.network.processor.image_processor, self.network.device
        whole = {"do_center_crop": False} if getattr(processor, "do_center_crop", False) else {}
        pixels = processor(images=image, return_tensors="pt", **whole)["pixel_values"]
        words = {name: self.text[name].to(device) for name in ("input_ids", "attention_mask")}
        out = self.network.model(pixel_values=pixels.to(device), **words)
        rectangles = corners(out.pred_boxes[0].float())
        if self.network.kind == "owlv2" and processor.do_pad:  # to a square, on the right and below
            height, width = image.shape[:2]
            side = max(height, width)
            rectangles = rectangles * rectangles.new_tensor([side / width, side / height] * 2)
        return rectangles, out.logits[0].float().sigmoid()


class _Sentence:
    """A network that reads all phrases as one sentence (Grounding DINO).

    The probability of a phrase is the largest of its tokens'. Phrases that one sentence has no room for are read in
    another pass over the picture.
    """

    def __init__(self, network: Network, phrases: Sequence[str]) -> None:
        self.network, self.phrases = network, phrases
        tokenizer = network.processor.tokenizer
        self.stop = int(tokenizer.convert_tokens_to_ids("."))
        self.sentences: list[list[int]] = [[]]
        """Numbers of the phrases of each pass."""
        room = network.config.max_text_len - 2  # for the first and the last token
        used = 0
        for k, phrase in enumerate(phrases):
            length = len(tokenizer(f"{phrase}.", add_special_tokens=False)["input_ids"])
            if self.sentences[-1] and used + length > room:
                self.sentences.append([])
                used = 0
            self.sentences[-1].append(k)
            used += length

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        processor, device = self.network.processor, self.network.device
        pixels = processor.image_processor(images=image, do_pad=False, return_tensors="pt")["pixel_values"].to(device)
        rectangles, scores = [], []
        for numbers in self.sentences:
            text = processor.tokenizer(" ".join(f"{self.phrases[k]}." for k in numbers), return_tensors="pt")
            spans = self.spans(text["input_ids"][0].tolist())
            words = {name: text[name].to(device) for name in ("input_ids", "token_type_ids", "attention_mask")}
            out = self.network.model(pixel_values=pixels, **words)
            tokens = out.logits[0].float().sigmoid()  # (Q, tokens)
            of_phrase = tokens.new_zeros(len(tokens), len(self.phrases))
            for k, span in zip(numbers, spans, strict=True):
                of_phrase[:, k] = tokens[:, span.start : span.stop].amax(1)
            rectangles.append(corners(out.pred_boxes[0].float()))
            scores.append(of_phrase)
        return torch.cat(rectangles), torch.cat(scores)

    def spans(self, ids: Sequence[int]) -> list[range]:
        """Where each phrase's tokens stand in a sentence: after the first token, each before a full stop."""
        ends = [i for i, token in enumerate(ids) if token == self.stop]
        return [range(start, end) for start, end in zip([1, *(end + 1 for end in ends[:-1])], ends, strict=True)]


def corners(boxes: Tensor) -> Tensor:
    """(..., 4) centre x, centre y, width, height -> left, top, right, bottom."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([center - half, center + half], -1)


def _with_article(phrase: str) -> str:
    """ "an armchair", "a lamp", "books"."""
    label = find_label(phrase)
    if label is not None and label.plural == phrase:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
