"""What may be seen of an answer that is being read: its pieces without the thinking, gathered into chunks."""

from __future__ import annotations

from app.backends.base import Chunk
from app.backends.thinking import Sifted, ThinkFilter


class VisibleText:
    """Gathers pieces with ``add``; ``take`` gives what is new as one chunk.

    Pieces are looked through for thinking once per ``settle``. ``started`` is true once text was given out: from then
    on every failure is a cut. ``template_opens`` says that the model's template is known to open its thinking.
    """

    def __init__(self, *, template_opens: bool = False) -> None:
        self.started = False
        self._thinking = ThinkFilter(opened=template_opens)
        self._pieces: list[str] = []
        self._text = ""
        self._tokens = 0
        self._thought = self._restart = False

    @property
    def template_opens(self) -> bool:
        """Whether this answer has shown that the model's template opens its thinking."""
        return self._thinking.template_opens

    def add(self, piece: str) -> None:
        """Take the next piece of the answer's text."""
        self._pieces.append(piece)

    def thinks(self) -> None:
        """Note that the server sent thinking apart from the text."""
        self._thought = True

    def settle(self) -> bool:
        """Take what was thought out of the gathered pieces; return whether the answer has begun to be seen."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            whole = "".join(pieces)
            if self._thinking.passes(whole):
                self._give(self._thinking.feed(whole), len(pieces))
            else:
                for piece in pieces:
                    self._give(self._thinking.feed(piece), 1)
        return self.started or bool(self._text)

    def take(self, *, final: bool) -> Chunk:
        """What is new since the last call; the ``final`` time what was held back, too."""
        self.settle()
        if final:
            self._give(self._thinking.finish())
        self.started = self.started or bool(self._text)
        chunk = Chunk(self._text, self._tokens, self._thought, restart=self._restart)
        self._text, self._tokens, self._thought, self._restart = "", 0, False, False
        return chunk

    def _give(self, sifted: Sifted, tokens: int = 0) -> None:
        if sifted.restart:
            # What was not given out yet is simply dropped.
            self._restart, self._text, self._tokens = self.started, "", 0
        self._text += sifted.text
        self._tokens += tokens if sifted.text else 0
        self._thought = self._thought or sifted.thought
