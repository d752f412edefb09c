"""Tiny networks of transformers with random weights: detectors and depth networks, each in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BeitConfig,
    BertConfig,
    BertTokenizer,
    CLIPTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DetrConfig,
    DetrForObjectDetection,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    GLPNConfig,
    GLPNForDepthEstimation,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2Processor,
    ResNetConfig,
    RTDetrConfig,
    RTDetrForObjectDetection,
    SwinConfig,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)
from transformers.models.detr.image_processing_pil_detr import DetrImageProcessorPil
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.rt_detr.configuration_rt_detr_resnet import RTDetrResNetConfig
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

CLASSES = ("person", "chair", "dining table", "tv", "kite")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "chair", "office", "lamp", "sofa", "couch", "coffee", "table")
_BACKBONE: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8] * 4, "depths": [1] * 4, "layer_type": "basic"}
_DECODER: dict[str, Any] = {
    "d_model": 16,
    "num_queries": 9,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}
_NECK: dict[str, Any] = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}


def tiny_network(kind: str, folder: Path) -> Path:
    """A network of a model type with its processor; ``kind`` may say more: ``depth_anything-metric``."""
    torch.manual_seed(0)
    model, processor = _MAKERS[kind]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _detr() -> tuple[Any, Any]:
    backbone = ResNetConfig(**_BACKBONE, out_features=["stage4"])
    names = {0: "N/A", **dict(enumerate(CLASSES, start=1))}
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, **_DECODER,
        id2label=names,
    )  # fmt: skip
    return DetrForObjectDetection(config), DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 80})


def _rt_detr() -> tuple[Any, Any]:
    backbone = RTDetrResNetConfig(**_BACKBONE, out_features=["stage2", "stage3", "stage4"])
    config = RTDetrConfig(
        **_DECODER, backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8] * 3,
        decoder_in_channels=[16] * 3, feat_strides=[8, 16, 32], num_denoising=0, id2label=dict(enumerate(CLASSES)),
    )  # fmt: skip
    return RTDetrForObjectDetection(config), RTDetrImageProcessorPil(size={"height": 64, "width": 64})


def _grounding_dino() -> tuple[Any, Any]:
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})
    backbone = SwinConfig(
        image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    text = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    sizes = {**_DECODER, "d_model": 32, "decoder_layers": 2}
    config = GroundingDinoConfig(backbone_config=backbone, text_config=text, max_text_len=12, **sizes)
    pictures = GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 128})
    return GroundingDinoForObjectDetection(config), GroundingDinoProcessor(pictures, tokenizer)


def _owlv2() -> tuple[Any, Any]:
    letters = [chr(i) for i in range(97, 123)]
    vocab = {token: i for i, token in enumerate([*letters, *(f"{x}</w>" for x in letters)])}
    vocab |= {"<|startoftext|>": 52, "<|endoftext|>": 53, "!": 54}
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config={**tower, "vocab_size": 55, "max_position_embeddings": 16},
        vision_config={**tower, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    pictures = Owlv2ImageProcessorPil(size={"height": 64, "width": 64})
    return Owlv2ForObjectDetection(config), Owlv2Processor(pictures, CLIPTokenizer(vocab=vocab, merges=[]))


def _dinov2(**changes: Any) -> Any:
    stages = [f"stage{i}" for i in range(1, 5)]
    return Dinov2Config(
        image_size=28, patch_size=14, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, out_features=stages,
        apply_layernorm=True, reshape_hidden_states=False, **changes,
    )  # fmt: skip


def _depth_anything(kind: str) -> tuple[Any, Any]:
    config = DepthAnythingConfig(
        backbone_config=_dinov2(), reassemble_hidden_size=16, **_NECK, head_hidden_size=8,
        depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    pictures = DPTImageProcessorPil(size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return DepthAnythingForDepthEstimation(config), pictures


def _dpt() -> tuple[Any, Any]:
    config = DPTConfig(backbone_config=_dinov2(), **_NECK, reassemble_factors=[4, 2, 1, 0.5], is_hybrid=False)
    pictures = DPTImageProcessorPil(do_resize=False, do_pad=True, size_divisor=14)
    return DPTForDepthEstimation(config), pictures


def _zoedepth() -> tuple[Any, Any]:
    stages = [f"stage{i}" for i in range(1, 5)]
    backbone = BeitConfig(
        image_size=64, patch_size=16, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        out_features=stages, reshape_hidden_states=False,
    )  # fmt: skip
    config = ZoeDepthConfig(
        backbone_config=backbone, backbone_hidden_size=16, **_NECK, bottleneck_features=8, num_relative_features=8,
        bin_embedding_dim=8, num_attractors=[4, 2, 2, 1],
    )  # fmt: skip
    pictures = ZoeDepthImageProcessorPil(size={"height": 64, "width": 64}, ensure_multiple_of=16)
    return ZoeDepthForDepthEstimation(config), pictures


def _glpn() -> tuple[Any, Any]:
    config = GLPNConfig(hidden_sizes=[8] * 4, depths=[1] * 4, decoder_hidden_size=8, num_attention_heads=[1] * 4)
    return GLPNForDepthEstimation(config), GLPNImageProcessorPil()


_MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "detr": _detr,
    "rt_detr": _rt_detr,
    "grounding-dino": _grounding_dino,
    "owlv2": _owlv2,
    "depth_anything": lambda: _depth_anything("relative"),
    "depth_anything-metric": lambda: _depth_anything("metric"),
    "dpt": _dpt,
    "zoedepth": _zoedepth,
    "glpn": _glpn,
}
