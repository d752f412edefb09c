"""Text metrics of the literature, by libraries: how near a student's words are to its teacher's.

They say nothing about being right: answers are graded against geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NAMES = {"exact": "same words", "bleu_1": "BLEU-1", "bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "meteor": "METEOR"}
"""Figure -> its name in a report."""
EXPLAINED = (
    "BLEU is sacreBLEU's, of the whole corpus (13a tokens; an answer shorter than four words has no 4-gram), ROUGE-L "
    "the mean F-measure, METEOR the mean with its exact and stemmed matches but without WordNet's synonyms. METEOR "
    "gives 0.5 to an answer of one word that is the same."
)


def text_scores(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """BLEU, ROUGE-L, METEOR (0..1) and the share of answers in the same words, of answers against one reference each.

    BLEU (Papineni et al., 2002; Post, 2018) and ROUGE-L (Lin, 2004) are torchmetrics', METEOR (Denkowski and Lavie,
    2014) is NLTK's. Empty without answers.

    Raises:
        ImportError: one of the libraries is missing.
    """
    bleu, rouge, meteor = libraries()
    if len(answers) != len(references):
        raise ValueError(f"one reference for each answer, please. Got {len(answers)} and {len(references)}")
    if not answers:
        return {}
    lower, known = ([text.lower().strip() for text in texts] for texts in (answers, references))
    each = [[reference] for reference in known]
    return {
        "exact": float(np.mean([a == b for a, b in zip(lower, known, strict=True)])),
        "bleu_1": float(bleu(lower, each, n_gram=1)),
        "bleu_4": float(bleu(lower, each)),
        "rouge_l": float(rouge(lower, known, rouge_keys="rougeL")["rougeL_fmeasure"]),
        "meteor": float(
            np.mean([meteor([b.split()], a.split(), wordnet=_NoSynonyms()) for a, b in zip(lower, known, strict=True)])
        ),
    }


def libraries() -> tuple[Any, Any, Any]:
    """The functions of BLEU, ROUGE and METEOR; called early, so that a missing library is known before the work."""
    from nltk.translate.meteor_score import meteor_score
    from torchmetrics.functional.text import rouge_score, sacre_bleu_score

    return sacre_bleu_score, rouge_score, meteor_score


class _NoSynonyms:
    """Stands where NLTK expects WordNet, whose data do not come with it."""

    def synsets(self, word: str) -> list[Any]:
        return []
