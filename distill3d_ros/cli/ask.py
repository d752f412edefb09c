"""``distill3d ask``: questions about one picture, without ROS."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.cli.options import AskOptions
from distill3d_ros.engine.box_decoding import filter_by_score
from distill3d_ros.engine.engine import Engine
from distill3d_ros.pictures.drawing import draw_scene
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.geometry import box_distance
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.system.camera_calibration import for_image, read_camera_yaml
from distill3d_ros.system.files import write_whole
from distill3d_ros.system.memory import lasting_objects

DEFAULT_FOV_DEGREES = 60.0
_LONGEST_DEPTH_MM = 65535


def ask_image(options: AskOptions) -> int:
    """Answers ``options.question`` (one or several) about the picture ``options.image``.

    Prints words, or one JSON object with ``options.json``; writes depth and picture where asked.
    Returns 0, or 1 when a question was not understood.

    Raises:
        ValueError, OSError: the picture, the camera, the student or a place to write is not as it should be.
    """
    frame = read_frame(options.image, fov=options.fov, camera=options.camera)
    frame = replace(frame, camera_height=options.camera_height)
    for target in (options.depth, options.picture):
        _check_target(target)
    with lasting_objects():
        engine = Engine.from_pretrained(
            options.model,
            backend=options.backend,
            execution_provider=options.execution_provider,
            picture_size=(frame.intrinsics.width, frame.intrinsics.height),
        )
    scene = engine.perceive(frame)
    answers = engine.ask_many(scene, options.question)
    written = {}
    if options.depth is not None:
        write_depth(options.depth, scene)
        written["depth"] = str(options.depth)
    if options.picture is not None:
        visible = filter_by_score(scene, also=answers[-1].object_ids)
        drawn = draw_scene(frame.image, visible, answers[-1], question=options.question[-1])
        write_whole(options.picture, _encoded(options.picture.suffix, drawn[..., ::-1]))
        written["picture"] = str(options.picture)
    if options.json:
        print(json.dumps(as_json(options, engine, scene, answers) | written))
    else:
        _print_words(options.question, scene, answers, written)
    return 0 if all(a.understood for a in answers) else 1


def read_frame(image: Path, *, fov: float | None, camera: Path | None) -> Frame:
    """A picture and its camera: a calibration file, a horizontal field of view (degrees), or a guess."""
    if not image.is_file():
        raise FileNotFoundError(2, "no such picture", str(image))
    pixels = cv2.imdecode(np.fromfile(image, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ValueError(f"'{image}' is no picture that can be read; jpeg and png are")
    height, width = pixels.shape[:2]
    if camera is not None:
        intrinsics = for_image(read_camera_yaml(camera), width=width, height=height, origin=f"'{image}'")
    else:
        if fov is None:
            print(
                f"warning: the camera is not known; taking {DEFAULT_FOV_DEGREES:.0f} degrees of horizontal field of "
                "view, and metres are as good as that guess. Give --fov or --camera",
                file=sys.stderr,
            )
        degrees = DEFAULT_FOV_DEGREES if fov is None else fov
        if not 1.0 <= degrees <= 175.0:
            raise ValueError(f"--fov must lie between 1 and 175 degrees. Got {degrees}")
        intrinsics = Intrinsics.from_fov(width=width, height=height, horizontal_fov=math.radians(degrees))
    return Frame(image=np.ascontiguousarray(pixels[..., ::-1]), intrinsics=intrinsics, frame_id=image.name)


def as_json(options: AskOptions, engine: Engine, scene: Scene, answers: list[Answer]) -> dict[str, Any]:
    """``question``, ``answer``, ``confidence``, ``objects`` ...; several questions stand in ``answers``.

    Centres are in the camera's optical frame, metres; ``scene`` lists everything that was surely seen.
    """
    replies = [
        {
            "question": question,
            "understood": answer.understood,
            "answer": answer.text,
            "value": answer.value,
            "value_type": answer.value_type,
            "unit": answer.unit,
            "confidence": round(answer.confidence, 4),
            "objects": [object_json(scene.by_id(i), scene) for i in answer.object_ids],
            "source": answer.source,
            "latency_ms": round(answer.latency_ms, 2),
        }
        for question, answer in zip(options.question, answers, strict=True)
    ]
    told = replies[0] if len(replies) == 1 else {"answers": replies}
    k = scene.intrinsics
    return told | {
        "scene": [object_json(o, scene) for o in filter_by_score(scene).objects],
        "image": str(options.image),
        "intrinsics": {"fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy, "width": k.width, "height": k.height},
        "is_metric": scene.is_metric,
        "model_sha256": engine.model_sha256,
    }


def object_json(o: SceneObject, scene: Scene) -> dict[str, Any]:
    """An object in the camera's optical frame, metres."""
    return {
        "id": o.id,
        "label": o.label,
        "score": round(o.score, 4),
        "center": np.round(scene.level_from_optical.T @ o.box.center, 4).tolist(),
        "size": np.round(o.box.size, 4).tolist(),
        "yaw": round(o.box.yaw, 4),
        "distance": round(box_distance(o.box), 4),
        "image_box": None if o.image_box is None else [round(v, 1) for v in o.image_box],
    }


def write_depth(file: Path, scene: Scene) -> None:
    """.png: 16 bits, millimetres, 0 where unknown; .npy: float32 metres."""
    assert scene.depth is not None
    if file.suffix == ".npy":
        with tempfile.TemporaryFile() as buffer:
            np.save(buffer, scene.depth)
            buffer.seek(0)
            write_whole(file, buffer.read())
        return
    known = np.isfinite(scene.depth) & (scene.depth > 0)
    millimetres = np.where(known, np.minimum(np.nan_to_num(scene.depth) * 1000, _LONGEST_DEPTH_MM), 0)
    write_whole(file, _encoded(".png", np.round(millimetres).astype(np.uint16)))


def _check_target(file: Path | None) -> None:
    """Before the student is loaded, so that a slip of the finger costs no time."""
    if file is None:
        return
    if file.suffix not in (".png", ".jpg", ".jpeg", ".npy"):
        raise ValueError(f"a file to write must end in .png, .jpg (pictures) or .npy (depth). Got '{file}'")
    if not file.parent.is_dir():
        raise FileNotFoundError(2, "no such folder", str(file.parent))


def _encoded(suffix: str, picture: NDArray[Any]) -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(picture))
    if not done:
        raise ValueError(f"a picture cannot be written as '{suffix}'; .png and .jpg are understood")
    return data.tobytes()


def _print_words(questions: Sequence[str], scene: Scene, answers: list[Answer], written: dict[str, str]) -> None:
    for question, answer in zip(questions, answers, strict=True):
        print(f"{question}\n  {answer.text}")
        if not answer.understood:
            continue
        print(f"  confidence {answer.confidence:.2f}, {answer.latency_ms:.0f} ms")
        for o in (scene.by_id(i) for i in answer.object_ids):
            x, y, z = scene.level_from_optical.T @ o.box.center
            size = " x ".join(f"{s:.2f}" for s in o.box.size)
            print(f"  {o.label} {o.score:.2f}: at ({x:.2f}, {y:.2f}, {z:.2f}) m, {size} m")
    for what, file in written.items():
        print(f"{what}: {file}")
