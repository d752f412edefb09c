"""Labelled 3D boxes: every patch proposes one, the best become queries, and a small decoder refines them.

Letters as in outputs.py. A box is held as raw numbers (``_Raw``) relative to its patch: the pixel offset from
the patch to the box centre, the ratio of the centre's depth to the patch's depth, log size, and the yaw
relative to the viewing ray. A layer adds corrections to them; ``BoxDecoder`` turns them into metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import DetectionConfig
from distill3d_ros.student.encoder.attention import attend
from distill3d_ros.student.encoder.vggt import EncoderFeatures, Mlp
from distill3d_ros.student.heads.depth import DepthOutput
from distill3d_ros.student.heads.region_features import RegionFeatures, rectangles
from distill3d_ros.student.outputs import Boxes
from distill3d_ros.student.rays import fourier, lens_features, patch_centers, rays_at

_PRIOR = 0.02
"""Score of an untrained class: with most patches empty, focal loss is unstable from one half."""
_OFFSET_PIXELS = 32.0
"""One raw unit of the centre's offset."""
_TYPICAL_SIZE = 0.6
"""Metres at raw zero."""


@dataclass(kw_only=True, slots=True)
class DetectionOutput:
    """Proposals of all patches, and the queries after each decoder layer (at least one entry)."""

    proposals: Boxes
    layers: list[Boxes]
    query_patch: Tensor  # (B, N) index among the patches of all frames


@dataclass(kw_only=True, slots=True)
class _Raw:
    """(B, n, ...) as the network predicts them."""

    logits: Tensor  # (B, n, 1 + C) objectness first
    geometry: Tensor  # (B, n, 8) offset 2, depth ratio 1, size 3, angle 2

    def plus(self, delta: _Raw) -> _Raw:
        return _Raw(logits=self.logits.detach() + delta.logits, geometry=self.geometry.detach() + delta.geometry)


class _BoxMlp(nn.Module):
    """Token to raw box, in float32: bfloat16 would round a position to a per cent."""

    def __init__(self, dim: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.labels = Mlp(dim, hidden, 1 + classes)
        self.geometry = Mlp(dim, hidden, 8)

    def start_small(self) -> None:
        for part in (self.labels.fc2, self.geometry.fc2):
            nn.init.normal_(part.weight, std=1e-3)
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> _Raw:
        with torch.autocast(x.device.type, enabled=False):
            x = self.norm(x.float())
            return _Raw(logits=self.labels(x), geometry=self.geometry(x))


class BoxDecoder:
    """Raw boxes of one batch to metres, with the cameras and the pixel and depth of each token.

    A box is predicted in the camera of its own frame and returned in the first camera's.
    """

    def __init__(
        self, *, uv: Tensor, depth: Tensor, intrinsics: Tensor, level: Tensor, poses: Tensor | None = None
    ) -> None:
        self.uv = uv  # (B, n, 2) pixels
        self.depth = depth  # (B, n) metres
        self.intrinsics = intrinsics  # (B, n, 4)
        self.level = level  # (B, 3, 3) of the first frame
        self.poses = poses  # (B, n, 3, 4) first camera from own; None: all are of the first frame

    def at(self, index: Tensor) -> BoxDecoder:
        """For the tokens ``index`` (B, m) alone."""
        return BoxDecoder(
            uv=gather(self.uv, index),
            depth=self.depth.gather(1, index),
            intrinsics=gather(self.intrinsics, index),
            level=self.level,
            poses=None if self.poses is None else gather(self.poses.flatten(2), index).unflatten(2, (3, 4)),
        )

    def __call__(self, raw: _Raw, feature: Tensor) -> Boxes:
        offset, ratio, size, angle = raw.geometry.split([2, 1, 3, 2], -1)
        center_uv = self.uv + _OFFSET_PIXELS * offset
        log_ratio = ratio[..., 0].clamp(-3.0, 3.0)
        depth = self.depth * log_ratio.exp()
        rays = (center_uv - self.intrinsics[..., 2:]) / self.intrinsics[..., :2]
        own_center = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * depth[..., None]  # in its own camera
        center, camera = own_center, torch.zeros_like(own_center[..., :2])
        if self.poses is not None:
            center = (self.poses[..., :3] * own_center[..., None, :]).sum(-1) + self.poses[..., 3]
            camera = (self.level[:, None] * self.poses[..., None, :, 3]).sum(-1)[..., [0, 2]]
        center_level = (self.level[:, None] * center[..., None, :]).sum(-1)  # see level_points
        log_size = size.clamp(-4.0, 3.0) + math.log(_TYPICAL_SIZE)
        angle = functional.normalize(angle + angle.new_tensor([0.0, 1e-3]), dim=-1)
        return Boxes(
            class_logits=raw.logits[..., 1:],
            objectness=raw.logits[..., 0],
            center_uv=center_uv,
            log_depth_ratio=log_ratio,
            log_size=log_size,
            angle=angle,
            depth=depth,
            center=center,
            center_level=center_level,
            size=log_size.exp(),
            yaw_vector=_turn(angle, (center_level[..., [0, 2]] - camera).detach()),
            feature=feature,
        )


def _turn(angle: Tensor, toward: Tensor) -> Tensor:
    """(sin, cos) of angle + azimuth of ``toward`` (x, z)."""
    sin_a, cos_a = angle.unbind(-1)
    sin_b, cos_b = functional.normalize(toward, dim=-1, eps=1e-4).unbind(-1)
    return torch.stack([sin_a * cos_b + cos_a * sin_b, cos_a * cos_b - sin_a * sin_b], -1)


class _Layer(nn.Module):
    """Self-attention of the queries, then cross-attention to the tokens."""

    def __init__(self, dim: int, config: DetectionConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_self, self.norm_cross, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj_self = nn.Linear(dim, dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.proj_cross = nn.Linear(dim, dim)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_self(x)).chunk(3, -1)
        x = x + self.proj_self(self._attend(q, k, v))
        k, v = self.key_value(tokens).chunk(2, -1)
        x = x + self.proj_cross(self._attend(self.query(self.norm_cross(x)), k, v))
        return x + self.mlp(self.norm_mlp(x))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        return attend(q, k, v).transpose(1, 2).flatten(2)


class DetectionHead(nn.Module):
    """Boxes of the objects in the first frame; the queries attend to the tokens of every frame."""

    def __init__(
        self, config: DetectionConfig, *, width: int, classes: int, channels: dict[int, int] | None = None
    ) -> None:
        """``width``: of the encoder's tokens; ``channels``: stride -> those of the patch embedding's finer maps."""
        super().__init__()
        self.config = config
        dim = config.dim or width
        self.narrow = nn.Linear(width, dim) if config.dim else nn.Identity()
        self.place = nn.Linear(2 + 2 * 2 * 3 + 1 + 6, dim)
        self.propose = _BoxMlp(dim, config.hidden, classes)
        self.embed = nn.Linear(1 + classes + 8, dim)
        self.layers = nn.ModuleList(_Layer(dim, config) for _ in range(config.layers))
        refine = [_BoxMlp(dim, config.hidden, classes) for _ in range(config.layers)]
        self.refine = nn.ModuleList(refine)
        self.regions = nn.ModuleList(
            RegionFeatures(config.region, dim, config.hidden, channels or {})
            for _ in range(config.layers)
            if config.region
        )
        self.norm_out = nn.LayerNorm(dim)
        nn.init.constant_(self.propose.labels.fc2.bias, math.log(_PRIOR / (1 - _PRIOR)))
        nn.init.normal_(self.propose.geometry.fc2.weight, std=0.01)
        for mlp in refine:  # a fresh decoder repeats the proposals
            mlp.start_small()

    def forward(
        self,
        features: EncoderFeatures,
        dense: DepthOutput,
        intrinsics: Tensor,
        level: Tensor,
        poses: Tensor | None = None,
    ) -> DetectionOutput:
        """``intrinsics`` (B, S, 4); ``level`` (B, 3, 3), first frame; ``poses`` (B, S, 3 or 4, 4), first camera from
        each. Without poses, boxes are of the first frame alone."""
        depth = dense.at_patches.detach()  # (B, S, P); a box error must not bend the depth image
        uv = patch_centers(features.grid, features.patch_size, depth)
        tokens = self.narrow(features.patches).float() + self._ray_embedding(
            uv, depth, intrinsics, features
        )  # (B, S, P, D)
        b, s, patches = depth.shape
        frames = 1 if poses is None else s
        proposing = tokens[:, :frames].flatten(1, 2)  # (B, n, D), n = frames P
        raw = self.propose(proposing)
        decoder = BoxDecoder(
            uv=uv.repeat(frames, 1).expand(b, -1, -1),
            depth=depth[:, :frames].flatten(1),
            intrinsics=intrinsics[:, :frames].repeat_interleave(patches, 1),
            level=level,
            poses=None if poses is None or s == 1 else poses[:, :, :3].float().repeat_interleave(patches, 1),
        )
        chosen = self._choose(raw.logits, (frames, *features.grid))
        proposals = decoder(raw, proposing)
        raw = _Raw(logits=gather(raw.logits, chosen), geometry=gather(raw.geometry, chosen))
        decoder, context = decoder.at(chosen), tokens.flatten(1, 2)
        x = gather(proposing, chosen) + self._embedding(raw)
        boxes = [decoder(raw, self.norm_out(x))]
        for number, (layer, refine) in enumerate(zip(self.layers, self.refine, strict=True)):
            if self.regions:
                last = boxes[-1]
                x = x + self.regions[number](
                    rectangles(last, decoder.intrinsics),
                    chosen // patches,
                    features.fine,
                    dense.log_depth,
                    last.depth.log(),
                )
            x = layer(x, context)
            raw = raw.plus(refine(x))
            boxes.append(decoder(raw, self.norm_out(x)))
        return DetectionOutput(proposals=proposals, layers=boxes[1:] or boxes, query_patch=chosen)

    def _ray_embedding(self, uv: Tensor, depth: Tensor, intrinsics: Tensor, features: EncoderFeatures) -> Tensor:
        """(B, S, P, D) embedding of each patch's ray, depth and intrinsics."""
        size = (features.grid[0] * features.patch_size, features.grid[1] * features.patch_size)
        rays = fourier(rays_at(uv, intrinsics), 3, 0.25)
        lens = lens_features(intrinsics, size)[:, :, None].expand(-1, -1, uv.shape[0], -1)
        return self.place(torch.cat([rays, depth.log()[..., None], lens], -1))

    def _choose(self, logits: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """(B, N) the patches with the highest scoring proposals that are local maxima of their class.

        A class peaks where its logit is the largest among its eight neighbours' (CenterNet, Zhou et al. 2019), so that
        a large object does not take every query and a cup beside a bottle keeps its own. ``grid``: frames, rows and
        columns; there are ``config.queries`` queries a frame, in whichever frame they are.
        """
        classes = logits.detach()[..., 1:].transpose(1, 2)  # (B, C, n)
        image = classes.unflatten(2, grid).flatten(1, 2)
        peak = (functional.max_pool2d(image, 3, 1, 1) == image).view_as(classes)
        scores = classes.masked_fill(~peak, -1e4).amax(1)  # (B, n)
        return scores.topk(min(grid[0] * self.config.queries, scores.shape[1]), dim=1).indices

    def _embedding(self, raw: _Raw) -> Tensor:
        raw = replace(raw, logits=raw.logits.detach(), geometry=raw.geometry.detach())
        return self.embed(torch.cat([torch.sigmoid(raw.logits), raw.geometry], -1))


def gather(x: Tensor, index: Tensor) -> Tensor:
    """(B, n, d), (B, m) -> (B, m, d)"""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
