"""What viewers are shown of an answer while its names are masked; places are counted from its beginning."""

from __future__ import annotations


class Masked:
    """The answer as it was written, of which some is shown and some waits."""

    def __init__(self) -> None:
        self._parts = ""
        self._dropped = 0  # how much of the answer was before the parts
        self._shown = 0
        self._masks: list[tuple[int, int, str]] = []

    def add(self, text: str) -> None:
        """The next piece as it was written."""
        self._parts += text

    def text(self, start: int, end: int) -> str:
        """What was written there; it must not have been shown yet."""
        return self._parts[start - self._dropped : end - self._dropped]

    def mask(self, start: int, end: int, mask: str) -> None:
        """Show ``mask`` in place of what was written there; masks come in order."""
        self._masks.append((start, end, mask))

    def show(self, end: int) -> str:
        """Return what was written up to ``end`` and was not shown, masked."""
        parts = []
        while self._masks and self._masks[0][0] < end:
            start, stop, mask = self._masks.pop(0)
            parts += [self.text(self._shown, start), mask]
            self._shown = stop
        if end > self._shown:
            parts.append(self.text(self._shown, end))
            self._shown = end
        self._parts = self._parts[self._shown - self._dropped :]
        self._dropped = self._shown
        return "".join(parts)

    def rest(self) -> str:
        """Return all that was not shown, masked."""
        return self.show(self._dropped + len(self._parts))
