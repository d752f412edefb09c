"""Presets: students of three sizes, and a privileged teacher; each is a function of the list of classes."""

from __future__ import annotations

from collections.abc import Iterable

from distill3d_ros.student.config import DepthConfig, DetectionConfig, EncoderConfig, LanguageConfig, StudentConfig


def pico(labels: Iterable[str]) -> StudentConfig:
    """About 14 million parameters: runs on a CPU, trains on two cores."""
    return StudentConfig(
        preset="pico",
        labels=tuple(labels),
        encoder=EncoderConfig(joint_frames=False),
        detection=DetectionConfig(region=5),
        image_area=256 * 256,
    )


def small(labels: Iterable[str]) -> StudentConfig:
    """About 170 million parameters, most of them SmolLM2-135M's: for a robot's GPU; trains on one."""
    return StudentConfig(
        preset="small",
        labels=tuple(labels),
        encoder=EncoderConfig(dim=384, pairs=6, heads=6, joint_frames=False),
        depth=DepthConfig(dim=96),
        detection=DetectionConfig(layers=3, heads=6, region=7),
        language=LanguageConfig(
            causal_lm={
                "model_type": "llama",
                "vocab_size": 49152,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "max_position_embeddings": 8192,
                "rms_norm_eps": 1e-5,
                "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
                "tie_word_embeddings": True,
            },
            vocab_size=49152,
            end_token="<|im_end|>",
            prefix_positions="ordered",
        ),
        image_area=320 * 256,
    )


def paper(labels: Iterable[str]) -> StudentConfig:
    """The paper's 2.29 billion parameters: VGGT-1B's aggregator and depth head, Sheared-LLaMA-1.3B's shape."""
    return StudentConfig(
        preset="paper",
        labels=tuple(labels),
        encoder=EncoderConfig(
            patch_embed="dinov2", dim=1024, pairs=24, heads=16, layer_scale=0.01, intermediate_layers=(4, 11, 17, 23)
        ),
        depth=DepthConfig(kind="dpt", canonical_focal=460.0, metric=False),
        detection=DetectionConfig(dim=512, layers=4, heads=8, hidden=512),
        language=LanguageConfig(
            causal_lm={
                "model_type": "llama",
                "vocab_size": 32000,
                "hidden_size": 2048,
                "intermediate_size": 5504,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "num_key_value_heads": 16,
                "max_position_embeddings": 4096,
                "rms_norm_eps": 1e-5,
                "tie_word_embeddings": False,
            },
            vocab_size=32000,
            pointer_dim=256,
            prefix_positions="ordered",
        ),
        image_area=518 * 392,
    )


def privileged(labels: Iterable[str]) -> StudentConfig:
    """A teacher for the others: pico's widths with more layers, and measured depth in place of a depth head."""
    return StudentConfig(
        preset="privileged",
        labels=tuple(labels),
        encoder=EncoderConfig(pairs=4, joint_frames=False),
        depth=DepthConfig(kind="measured"),
        detection=DetectionConfig(layers=3, region=5),
        language=LanguageConfig(layers=6),
        image_area=256 * 256,
    )


PRESETS = {"pico": pico, "small": small, "paper": paper, "privileged": privileged}
"""Preset name -> function of the class list."""
