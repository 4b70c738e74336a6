"""Patterns that are compiled when they are first tried: those of all languages take 0.2 s, and few texts try any."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class LazyPattern:
    """A regular expression as it is written; of equal ones each is compiled by itself."""

    source: str

    @cached_property
    def search(self) -> Callable[[str], re.Match[str] | None]:
        """``re.Pattern.search``, for a whole text."""
        return re.compile(self.source).search

    @cached_property
    def match(self) -> Callable[[str], re.Match[str] | None]:
        """``re.Pattern.match``, for a whole text."""
        return re.compile(self.source).match
