"""Public detectors on one picture: rectangles in the picture's pixels, and the networks' classes as categories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.training.tiny_networks import tiny_network
from torch import Tensor

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.inputs.rectangle_overlap import rectangle_iou, suppressed
from distill3d_ros.training.teachers.transformers_perception.class_names import (
    covered_classes,
    label_of_name,
    prompted_labels,
)
from distill3d_ros.training.teachers.transformers_perception.detectors import Detector, corners, load_detector

PROMPTS = ("office chair", "lamp", "sofa", "couch", "coffee table")
Load = Callable[[str], Detector]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Each network is made once."""
    made: dict[str, Path] = {}

    def detector(kind: str) -> Detector:
        if kind not in made:
            made[kind] = tiny_network(kind, tmp_path_factory.mktemp("networks") / kind)
        prompts = PROMPTS if kind == "grounding-dino" else ()
        return load_detector(str(made[kind]), prompts=prompts, device=torch.device("cpu"))

    return detector


def picture(height: int = 48, width: int = 72) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def with_square(height: int, width: int) -> NDArray[np.uint8]:
    """Black, with one white rectangle: columns 20 to 43, rows 8 to 31."""
    image = np.zeros((height, width, 3), np.uint8)
    image[8:32, 20:44] = 255
    return image


class Spotter(torch.nn.Module):
    """A network that marks what is brightest in its input as its second class, and answers with a real one's shapes."""

    def __init__(self, real: Any) -> None:
        super().__init__()
        self.real, self.config = real, real.config

    def forward(self, pixel_values: Tensor, **inputs: Tensor) -> SimpleNamespace:
        out = self.real(pixel_values=pixel_values, **inputs)
        gray = pixel_values[0].mean(0)
        rows, columns = torch.nonzero(gray > (gray.max() + gray.min()) / 2, as_tuple=True)
        height, width = gray.shape
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        box = torch.tensor([(left + right) / 2 / width, (top + bottom) / 2 / height,
                            (right - left) / width, (bottom - top) / height])  # fmt: skip
        boxes, logits = out.pred_boxes.clone(), torch.full_like(out.logits, -8.0)
        boxes[0, 3], logits[0, 3, 1] = box, 8.0
        return SimpleNamespace(pred_boxes=boxes, logits=logits)


@pytest.mark.parametrize("kind", ["detr", "rt_detr", "grounding-dino", "owlv2"])
@pytest.mark.parametrize("size", [(48, 72), (72, 48), (96, 96)], ids=["wide", "high", "square"])
def test_a_rectangle_comes_back_to_the_pictures_pixels(load: Load, kind: str, size: tuple[int, int]) -> None:
    """Through each processor's resizing and padding."""
    detector = load(kind)
    object.__setattr__(detector.network, "model", Spotter(detector.network.model))
    rectangles, probs = detector.detect(with_square(*size))
    best = int(probs.max(1).argmax())
    height, width = size
    expected = np.array([20 / width, 8 / height, 44 / width, 32 / height])
    pixel = 1.5 / 64 * max(size) / np.array([width, height, width, height])  # of the network's input
    assert (np.abs(rectangles[best] - expected) <= pixel).all(), (rectangles[best], expected)
    assert probs[best].max() > 0.99


@pytest.mark.parametrize("kind", ["detr", "rt_detr"])
def test_closed_classes_agree_with_the_networks_own_post_processing(load: Load, kind: str) -> None:
    """Its best box, class and score among our categories."""
    detector, image = load(kind), picture()
    network, processor = detector.network.model, detector.network.processor
    with torch.no_grad():
        if kind == "detr":  # at random it sees nothing of ours
            network.class_labels_classifier.bias[2] += 4
        out = network(**processor(images=image, do_pad=False, return_tensors="pt"))
    ours = {"person": "person", "chair": "chair", "dining table": "table", "tv": "television"}
    (theirs,) = processor.post_process_object_detection(out, threshold=0.0, target_sizes=[image.shape[:2]])
    named = [ours.get(network.config.id2label[int(i)]) for i in theirs["labels"]]
    best = next(i for i in theirs["scores"].argsort(descending=True).tolist() if named[i])
    rectangles, probs = detector.detect(image)
    assert detector.labels == tuple(label for label in LABELS if label in ours.values())
    first = int(probs.max(1).argmax())
    assert probs[first].max() == pytest.approx(float(theirs["scores"][best]), rel=1e-4)
    assert detector.labels[int(probs[first].argmax())] == named[best]
    clipped = np.clip(theirs["boxes"][best].numpy(), 0, [72, 48, 72, 48])
    np.testing.assert_allclose(rectangles[first] * [72, 48, 72, 48], clipped, atol=1e-3)


def test_owl_agrees_with_its_own_post_processing(load: Load) -> None:
    detector, image = load("owlv2"), picture()
    processor, model = detector.network.processor, detector.network.model
    plural = ("blinds", "books")
    texts = [[f"a photo of {label if label in plural else f'{LABELS[label].article} {label}'}" for label in LABELS]]
    with torch.inference_mode():
        words = processor.tokenizer(texts[0], padding="max_length", truncation=True, max_length=16, return_tensors="pt")
        out = model(**processor.image_processor(images=image, return_tensors="pt"), **words)
    (theirs,) = processor.post_process_grounded_object_detection(out, threshold=0.0, target_sizes=[image.shape[:2]])
    best = int(theirs["scores"].argmax())
    rectangles, probs = detector.detect(image)
    assert detector.labels == tuple(LABELS)
    assert detector.covers == {}
    assert probs.max() == pytest.approx(float(theirs["scores"][best]), rel=1e-4)
    expected = np.clip(theirs["boxes"][best].numpy(), 0, [72, 48, 72, 48])
    np.testing.assert_allclose(rectangles[int(probs.max(1).argmax())] * [72, 48, 72, 48], expected, atol=1e-3)


def test_a_sentence_is_read_phrase_by_phrase(load: Load) -> None:
    """Twelve tokens hold four phrases and the sentence's ends: two passes. A phrase has its likeliest token's score."""
    detector, image = load("grounding-dino"), picture()
    finds: Any = detector._finds
    assert finds.sentences == [[0, 1, 2, 3], [4]]
    tokenizer = detector.network.processor.tokenizer
    ids = tokenizer("office chair. lamp. sofa.")["input_ids"]
    spans = finds.spans(ids)
    assert [[ids[i] for i in span] for span in spans] == [
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("office chair", "lamp", "sofa")
    ]
    pixels = detector.network.processor.image_processor(images=image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        text = tokenizer("coffee table.", return_tensors="pt")
        out = detector.network.model(pixel_values=pixels, **text)
    rectangles, scores = finds(image)
    assert scores.shape == (18, 5)
    tokens = out.logits[0].sigmoid()
    torch.testing.assert_close(scores[9:, 4], tokens[:, 1:3].amax(1))
    torch.testing.assert_close(rectangles[9:], corners(out.pred_boxes[0]))
    assert not scores[:9, 4].any()
    assert not scores[9:, :4].any()
    assert detector.labels == ("chair", "sofa", "table", "lamp")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("couch", "sofa"), ("potted plant", "plant"), ("tv", "television"), ("dining table", "table"),  # COCO
        ("wine glass", "cup"), ("refrigerator", "fridge"), ("book", "books"), ("person", "person"), ("kite", None),
        ("Cabinet/shelf", "cabinet"), ("Monitor/TV", "television"), ("Trash bin Can", "trash can"),  # Objects365
        ("Dinning Table", "table"), ("Picture/Frame", "picture"), ("Nightstand", "cabinet"), ("Glasses", None),
        ("Washing Machine/Drying Machine", "washing machine"), ("Storage box", "box"), ("Flower", "plant"),
        ("trash_can", "trash can"), ("N/A", None), ("Countertop", "counter"),
    ],
)  # fmt: skip
def test_names_of_data_sets_are_categories(name: str, label: str | None) -> None:
    assert label_of_name(name) == label


def test_what_a_data_set_does_not_tell_apart_is_covered() -> None:
    coco = ("chair", "sofa", "bed", "table", "toilet", "television", "computer", "oven", "sink", "fridge", "books")
    assert covered_classes(coco) == {
        "chair": ("armchair", "stool"),
        "sofa": ("armchair",),
        "table": ("desk", "counter"),
    }
    assert covered_classes(("chair", "stool", "table", "desk")) == {"chair": ("armchair",), "table": ("counter",)}


def test_prompts_are_categories_or_name_one() -> None:
    assert prompted_labels(()) == {label: label for label in LABELS}
    assert prompted_labels(("Swivel chair=chair", "couch")) == {"swivel chair": "chair", "couch": "sofa"}
    for wrong in ("spaceship", "lamp. chair", "rocket=spaceship", "=chair"):
        with pytest.raises(ValueError, match=rf"prompts must be names of categories.*Got {wrong!r}"):
            prompted_labels((wrong,))


def test_what_repeats_a_better_rectangle_is_left_out() -> None:
    """Overlaps by hand: 0 and 1 share 8 x 10 of 12 x 10 (2/3), 0 and 2 all of 10 x 9 of 10 x 10 (0.9)."""
    rectangles = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [0, 0, 10, 9], [2, 0, 12, 10]], float)
    overlap = rectangle_iou(rectangles, rectangles)
    assert overlap[0, 1] == pytest.approx(2 / 3)
    assert overlap[0, 2] == pytest.approx(0.9)
    probs = np.array([[0.9, 0.1], [0.8, 0.1], [0.1, 0.7], [0.1, 0.6]])
    assert suppressed(rectangles, probs).tolist() == [0, 3]
    assert suppressed(np.zeros((0, 4)), np.zeros((0, 2))).tolist() == []


def test_a_network_of_another_task_is_refused(load: Load, tmp_path: Path) -> None:
    device = torch.device("cpu")
    depth = tiny_network("glpn", tmp_path / "depth")
    with pytest.raises(ValueError, match=r"--detector must be a network for detection of things.*Got '.*', which is"):
        load_detector(str(depth), prompts=(), device=device)
    closed = load("detr").network.source
    with pytest.raises(ValueError, match=r"--prompts: '.*' has classes of its own and reads no words"):
        load_detector(closed, prompts=("lamp",), device=device)
    with pytest.raises(FileNotFoundError, match=r"--detector must be a folder.*owner/name@revision.*Got 'owner/name'"):
        load_detector("owner/name", prompts=(), device=device)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"--detector: '.*' is no network of transformers: config.json"):
        load_detector(str(tmp_path / "empty"), prompts=(), device=device)
    other = tiny_network("rt_detr", tmp_path / "kites")
    config = other / "config.json"
    config.write_text(config.read_text().replace('"person"', '"kite 1"').replace('"chair"', '"kite 2"')
                      .replace('"dining table"', '"kite 3"').replace('"tv"', '"kite 4"'))  # fmt: skip
    with pytest.raises(ValueError, match=r"none of the 5 classes of '.*' is a category of ours: kite 1, kite 2"):
        load_detector(str(other), prompts=(), device=device)
    (other / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"'.*' has no weights as safetensors"):
        load_detector(str(other), prompts=(), device=device)
