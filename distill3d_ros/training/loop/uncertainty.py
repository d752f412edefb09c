"""Weighting of several losses: by learned uncertainty (Kendall et al., CVPR 2018), static or equal."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

WEIGHTINGS = ("uncertainty", "static", "equal")
CLASSIFICATION = frozenset(
    {
        "text",
        "names",
        "grounding",
        "proposal_class",
        "detection_class",
        "text_kl",
        "teacher_text",
        "depth_bins",
        "depth_kl",
        "teacher_class",
        "spatial",
        "semantics",
    }
)
"""Losses that are (cross-)entropies; the others are regressions and get Kendall's factor 1/2."""


class LossWeighting(nn.Module):
    """Weights the losses that are there; a loss that is absent from a batch adds nothing, not even its log term.

    ``uncertainty`` is Kendall et al. (CVPR 2018) with s = log sigma^2 learned per task:
    regression ``exp(-s) L / 2 + s / 2``, classification ``exp(-s) L + s / 2``. The total may become negative.
    ``static`` is ``sum w L`` with the configured weights, ``equal`` the plain sum.
    In every mode a configured weight of 0 switches a loss off.

    Args:
        tasks: names of every loss that may occur.
        kind: one of ``WEIGHTINGS``.
        weights: fixed weights by name; 1 where not given. Under ``uncertainty`` they scale each task's term.
        limit: s is kept in [-limit, limit] by ``clamp_``, itself and not its exponential, so that its gradient
            never dies.
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        *,
        kind: str = "uncertainty",
        weights: Mapping[str, float] | None = None,
        limit: float = 3.0,
    ) -> None:
        super().__init__()
        if kind not in WEIGHTINGS:
            raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}. Got {kind!r}")
        unknown = set(weights or {}) - set(tasks)
        if unknown:
            raise ValueError(f"loss_weights names no loss of this stage: {sorted(unknown)}; it has {', '.join(tasks)}")
        self.kind = kind
        self.limit = limit
        self.weights = {task: float((weights or {}).get(task, 1.0)) for task in tasks}
        self.s = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in tasks})
        if kind != "uncertainty":
            self.s.requires_grad_(False)

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted total of ``losses`` (name -> scalar)."""
        terms = []
        for name, loss in losses.items():
            if name not in self.weights:
                raise ValueError(f"unknown loss {name!r}; this stage has {', '.join(self.weights)}")
            weight = self.weights[name]
            if weight == 0.0:
                continue
            if self.kind == "equal":
                terms.append(loss)
            elif self.kind == "static":
                terms.append(weight * loss)
            else:
                s = self.s[name]
                factor = 1.0 if name in CLASSIFICATION else 0.5
                terms.append(weight * (factor * torch.exp(-s) * loss + 0.5 * s))
        if not terms:
            raise ValueError(f"no loss to minimise: the batch gave {sorted(losses)}, and none has a weight above 0")
        return torch.stack(terms).sum()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Call after each optimiser step."""
        for s in self.s.values():
            s.clamp_(-self.limit, self.limit)
