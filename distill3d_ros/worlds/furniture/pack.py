"""The furniture pack: all models, by name and by label, with caches of variants and support maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel, Split
from distill3d_ros.worlds.lru_cache import LruCache

if TYPE_CHECKING:
    from distill3d_ros.worlds.furniture.support_map import SupportMap


KEPT = 600
"""Variants, and support maps, in a pack's caches; without a limit they would grow to about 7000 and 4000."""


@dataclass(slots=True, eq=False)
class FurniturePack:
    """All models, by name and by label."""

    models: tuple[FurnitureModel, ...]
    support_maps: LruCache[str, SupportMap] = field(default_factory=lambda: LruCache(KEPT), repr=False)
    """By model name; filled by layouts as they need them."""
    _index: dict[tuple[str, str], tuple[FurnitureModel, ...]] = field(default_factory=dict, repr=False)
    _variants: LruCache[tuple[str, int], FurnitureModel] = field(default_factory=lambda: LruCache(KEPT), repr=False)

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        cache_dir: str | Path | None = None,
        workers: int = 2,
        progress: bool = True,
    ) -> FurniturePack:
        """Load the pack from the cache; the first time, build it from the libraries (about a minute).

        Args:
            folder: with the .sh3f libraries; default $DISTILL3D_FURNITURE, then where Debian installs them.
            cache_dir: default $XDG_CACHE_HOME/distill3d_ros.
            workers: processes for building.
            progress: show a bar while building.

        Raises:
            FurnitureMissingError: no library, with the command that installs it.
        """
        from distill3d_ros.worlds.furniture.build import load_or_build

        return cls(load_or_build(folder, cache_dir, workers, progress))

    def by_label(self, label: str, split: Split | None = None) -> tuple[FurnitureModel, ...]:
        """The models of a label ("" is clutter) in one split, or in both."""
        key = (label, split or "")
        if key not in self._index:
            self._index[key] = tuple(m for m in self.models if m.label == label and split in (None, m.split))
        return self._index[key]

    def variant(self, model: FurnitureModel, number: int) -> FurnitureModel:
        """The model in other proportions and colours, see ``variants.variant``; cached."""
        from distill3d_ros.worlds.furniture.variants import variant

        return self._variants.get((model.name, number), lambda: variant(model, number))

    def by_name(self, name: str) -> FurnitureModel:
        """A model of the pack, an extra procedural one, or a variant of one, by ``SceneObject.model``."""
        from distill3d_ros.worlds.furniture.procedural import extra_models

        own, variant, number = name.partition("~")
        label = own.partition("#")[2].rpartition("_")[0].replace("_", " ")
        for model in (*self.models, *extra_models(label)):
            if model.name == own:
                return self.variant(model, int(number)) if variant else model
        raise KeyError(f"the pack has no model {name!r}")
