"""What existing clients send; fields that nobody needs any more are ignored, whatever is in them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from app.errors import InvalidInput
from app.web.shared.fields import OptionalText, Text

#: axios clients send their session in this header; the body wins.
SessionHeader = Annotated[str | None, Header(alias="X-Session-ID")]

MAX_SESSION = 200

#: A battle's id in a path, or the session whose newest battle is meant; no database takes a NUL.
BattleOrSession = Annotated[str, Path(max_length=MAX_SESSION, pattern=r"^[^\x00]+$")]


def session_of(in_body: str | None, in_header: str | None) -> str | None:
    """The caller's session; a header that could be none is as good as no header."""
    given = (in_header or "").strip()
    usable = 0 < len(given) <= MAX_SESSION and given.isprintable()
    return in_body or (given if usable else None)


class StartBody(BaseModel):
    """A prompt; ``num_models`` above the models at hand means all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Your question", "session_id": "test-123"}]})

    message: Text
    session_id: OptionalText = Field(default=None, max_length=MAX_SESSION)
    num_models: StrictInt | None = None


class ChatBody(BaseModel):
    """A chat message; an empty one is answered with a request for one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"message": "Your question", "session_id": "test-123", "mode": "arena"}]}
    )

    message: OptionalText = None
    session_id: OptionalText = Field(default=None, max_length=MAX_SESSION)


class AskBody(BaseModel):
    """A question that is about to be asked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Your question", "current_tab": "arena"}]})

    message: Text


class BattleBody(BaseModel):
    """Which battle: its id, or the session whose newest battle is meant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"battle_id": "test-123"}]})

    battle_id: Text = Field(max_length=MAX_SESSION)


class ChoiceBody(BattleBody):
    """A verdict under any of its keys; ``round`` (counted from 1) guards against judging the next round unseen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"battle_id": "test-123", "choice": "left"}]})

    #: The key that this call is documented with; refusals name it.
    key: ClassVar[str] = "choice"

    choice: StrictStr | None = None
    vote: StrictStr | None = None
    preference: StrictStr | None = None
    winner: StrictStr | None = None
    round: StrictInt | None = Field(default=None, ge=1)

    @property
    def word(self) -> str:
        """The verdict as it was spelled.

        Raises:
            InvalidInput: there is none.
        """
        word = next((w for w in (self.choice, self.vote, self.preference, self.winner) if w), None)
        if word is None:
            sentence = f"{self.key} is required: left, right, tie or both_bad"
            raise InvalidInput(sentence, code="missing_field", field=self.key)
        return word

    @property
    def is_of_script(self) -> bool:
        """Whether a script sent it: it waits for 10 s and never clicks twice. All progressive calls are scripts'."""
        return True

    @property
    def knows_one_round(self) -> bool:
        """Whether its sender may know of one round only."""
        return False


class LegacyVoteBody(ChoiceBody):
    """The same verdict, as ``/vote`` is documented.

    ``preference`` is the key of the contract in which two models met once: of the oldest page, and of scripts.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"battle_id": "test-123", "vote": "a"}]})

    key: ClassVar[str] = "vote"

    @property
    def is_of_script(self) -> bool:
        """Whether it came by the key of those who wait for 10 s."""
        return bool(self.preference) and not (self.choice or self.vote)

    @property
    def knows_one_round(self) -> bool:
        """Whether it came by the key of the contract of one round."""
        return self.is_of_script
