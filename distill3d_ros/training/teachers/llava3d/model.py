"""The network of LLaVA-3D: CLIP, patch positions, voxels, a projector, and a Llama that reads them among the words.

Letters: S views; n patches of a view; C CLIP's width; M voxels; D the language model's width; L tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionModel, LlamaForCausalLM

from distill3d_ros.training.teachers.llava3d.config import Llava3dConfig
from distill3d_ros.training.teachers.llava3d.patch_geometry import at_most, patch_points, voxel_ids, voxel_means
from distill3d_ros.training.teachers.llava3d.position import PositionEmbedding
from distill3d_ros.training.teachers.llava3d.processor import Views
from distill3d_ros.training.teachers.llava3d.prompts import CLICK_ID, VIEWS_ID

IGNORE = -100
"""The label of what is no text."""


class Llava3d(nn.Module):
    """The network without its tokenizer. CLIP, projector and language model may be 16 bit; places are float32."""

    def __init__(self, config: Llava3dConfig) -> None:
        super().__init__()
        self.config = config
        width, words = config.clip.hidden_size, config.llama.hidden_size
        self.vision = CLIPVisionModel(config.clip)
        self.patch_position = PositionEmbedding(width)
        self.click_position = PositionEmbedding(words)
        self.projector = nn.Sequential(nn.Linear(width, words), nn.GELU(), nn.Linear(words, words))
        self.language = LlamaForCausalLM(config.llama)

    @property
    def device(self) -> torch.device:
        return self._image_weight.device

    @property
    def _image_weight(self) -> Tensor:
        """A weight on the device and in the precision that images are processed in."""
        return next(self.projector.parameters())

    def patch_features(self, images: Tensor) -> Tensor:
        """Images (S, 3, P, P) to (S, n, C), rows first: the last layer that is kept, without its LayerNorm."""
        output = self.vision(pixel_values=images.to(self._image_weight))
        return output.last_hidden_state[:, 1:]

    def visual_tokens(self, views: Views) -> Tensor:
        """(M, D): one token a voxel of the place that the views show, by x, then y, then z."""
        points = patch_points(views.depths, views.world_from_camera, views.intrinsics, self.config.grid).flatten(1, 2)
        features = self.patch_features(views.images).float() + self.patch_position(points.to(self.device))
        repeats = views.repeats[:, None].expand(points.shape[:2]).flatten()
        pooled = voxel_means(features.flatten(0, 1).cpu(), voxel_ids(points.flatten(0, 1)), repeats)
        return self.projector(at_most(pooled).to(self._image_weight))

    def click_tokens(self, points: Tensor) -> Tensor:
        """(N, 3) metres in the world to (N, D)."""
        return self.click_position(points.float().to(self.device))

    def splice(
        self, ids: Sequence[int], visual: Tensor, clicks: Tensor, labels: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Puts visual tokens and points in their places among the words.

        Args:
            ids: of one row, with ``VIEWS_ID`` and ``CLICK_ID``.
            visual: (M, D) for the place of the views, if there is one.
            clicks: (N, D), in the order of their places.
            labels: of each id; None labels nothing.

        Returns:
            Embeddings (L, D) and labels (L,), which are ``IGNORE`` for all that is put in.
        """
        places = [i for i, token in enumerate(ids) if token in (VIEWS_ID, CLICK_ID)]
        kinds = [ids[i] for i in places]
        if kinds.count(VIEWS_ID) > 1 or kinds.count(CLICK_ID) != len(clicks):
            raise ValueError(
                f"ids must have at most one place for views and {len(clicks)} for the points that are given. Got "
                f"{kinds.count(VIEWS_ID)} and {kinds.count(CLICK_ID)}"
            )
        own = torch.tensor([IGNORE] * len(ids) if labels is None else list(labels))
        table = self.language.get_input_embeddings()
        words = table(torch.tensor([max(token, 0) for token in ids], device=self.device))  # (len(ids), D)
        given = iter(clicks)
        embedded, labelled, start = [], [], 0
        for place in [*places, len(ids)]:
            embedded.append(words[start:place])
            labelled.append(own[start:place])
            if place < len(ids):
                put = visual if ids[place] == VIEWS_ID else next(given)[None]
                embedded.append(put.to(words))
                labelled.append(torch.full((len(put),), IGNORE))
            start = place + 1
        return torch.cat(embedded), torch.cat(labelled)


def padded(rows: Sequence[Tensor], *, value: float = 0.0, left: bool = False) -> tuple[Tensor, Tensor]:
    """Rows (L, ...) to one tensor (B, longest L, ...), and a mask (B, longest L) of what is there."""
    longest = max(map(len, rows))
    filled, masks = [], []
    for row in rows:
        missing = longest - len(row)
        sides = (missing, 0) if left else (0, missing)
        filled.append(functional.pad(row, (0, 0) * (row.ndim - 1) + sides, value=value))
        masks.append(functional.pad(torch.ones(len(row), dtype=torch.bool, device=row.device), sides))
    return torch.stack(filled), torch.stack(masks)
