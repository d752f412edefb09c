"""The words that questions are made of: those that may stand beside names, and groups that mean the same."""

from __future__ import annotations

WORDS = """
    @ is are was be been being does do did has have am it there that they the a an of to from than and or by as
    at in on me my your see what which name if whether one ones thing things object objects item items two each
    other most more less how many number count metres meters meter metre far distant distance close near away
    off apart gap space room much lot big large wide tall high long broad height width breadth deep size volume
    closer closest nearer nearest nearby next beside vicinity right left side sides hand half further farther
    furthest farthest well way nowhere between separate separates together located positioned placed set put
    standing stand stands lying lie lies resting rest rests sitting sit sits hang hangs hanging laid found kept
    position touch touching touches contact make makes come comes into against lean leaning leans leaned leant
    propped pushed up upon top atop carrying carry carries holding hold holds support supports supporting
    supported carried held larger largest bigger biggest smaller smallest greater greatest taller tallest higher
    highest shorter shortest lower lowest wider widest broader broadest narrower narrowest thinner compared
    comparison take takes taking out among both front before behind back above over below under underneath
    beneath down level reach reaches fit fits bottom these those them with can could would seen image picture
    photo got show shows not any some total all whole altogether immediately directly
"""
"""Every word that may stand beside names, separated by blanks; records of kinds add theirs."""
COUNT_WORDS = frozenset(
    {
        "how", "many", "number", "of", "count", "the", "a", "what", "is", "are", "there", "see", "do", "does",
        "have", "has", "got", "be", "in", "front", "me", "all", "total", "show", "view", "can", "could",
        "image", "picture", "photo", "room", "would", "@",
    }
)  # fmt: skip
"""All that a question consists of that counts things."""
SIDE_WORDS = frozenset(
    {
        "is", "are", "was", "does", "do", "stand", "stands", "standing", "located", "see", "on", "to", "at",
        "in", "the", "my", "your", "me", "of", "side", "hand", "half", "left", "right", "if", "whether", "@",
        "there", "a", "placed", "positioned", "lie", "lies", "lying", "sit", "sits", "sitting", "image", "picture",
        "photo", "view", "or", "it",
    }
)  # fmt: skip
"""Likewise one on which side of the viewer a thing is."""
EXISTS_WORDS = frozenset(
    {
        "is", "are", "there", "see", "any", "a", "an", "do", "does", "can", "be", "has", "have", "got", "in",
        "front", "of", "me", "if", "whether", "image", "picture", "photo", "room", "show", "seen", "could",
        "the", "it", "thing", "@",
    }
)  # fmt: skip
"""Likewise one whether a thing is there."""

LARGE = r"(?:larger|bigger|largest|biggest|more space|most space|greater in (?:size|volume))"
SMALL = r"(?:smaller|smallest|less space|less room)"
TALL = r"(?:taller|tallest|more height|most height|greater height|greater in height)"
SHORT = r"(?:shorter|shortest|less tall|lower in height|less height)"
WIDE = r"(?:wider|widest|broader|broadest|more width|greater width|greater in width)"
NARROW = r"(?:narrower|narrowest|thinner|less wide|less broad|less width)"
CLOSER = r"(?:closer|closest|nearer|nearest|near|close|next)"
FARTHER = r"(?:farther|further|farthest|furthest|more distant|most distant|far)"
