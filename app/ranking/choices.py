"""What may be chosen of a ranking; without numpy, for every process reads these words and few of them rank."""

from __future__ import annotations

from enum import StrEnum


class Ties(StrEnum):
    """What a tie is taken to mean."""

    HALF_WIN = "half_win"
    DAVIDSON = "davidson"
    RAO_KUPPER = "rao_kupper"

    @property
    def fitted(self) -> bool:
        """True when the model has a kappa of its own to be found."""
        return self is not Ties.HALF_WIN


class Clustering(StrEnum):
    """What is taken to err together, beside prompts that repeat."""

    AUTO = "auto"
    """By voter where those of most votes are known, from two to fewer than ``clusters.FEW_VOTERS``; else by battle."""
    BATTLE = "battle"
    VOTER = "voter"


class StyleFeature(StrEnum):
    """What style control can set aside."""

    LENGTH = "length"
    HEADERS = "headers"
    LISTS = "lists"
    BOLD = "bold"


ALL_FEATURES = tuple(StyleFeature)


class Effect(StrEnum):
    """What can be fitted beside the ratings."""

    SIDE = "side"
    CHAMPION = "champion"


ALL_EFFECTS = tuple(Effect)
