"""Every error that the arena raises on purpose, as one tree.

    ArenaError
    ├── InvalidInput          400  a field is missing, of the wrong type or out of range
    ├── Forbidden             403  only those who run the arena may do that
    ├── NotFound              404  no such battle, path or model
    ├── Conflict              409  the battle's state does not allow it
    ├── MessageTooLarge       413  the body or the message is over its limit
    ├── StorageFull           507  the disk, or what a key may have of it, is full
    ├── Unavailable           503  something the arena needs is unavailable; try again
    │   └── QueueFull         503  a host's queue is at its bound
    └── ConfigurationError         a setting, a file or a database that the process can't start with

An error carries its HTTP status and a stable ``code``; ``app.web.shared.errors`` renders them all. The sentence
says what to do next.
"""

from __future__ import annotations


class ArenaError(Exception):
    """An error with a sentence for people, a code for programs and a status for HTTP."""

    status = 500
    code = "internal"

    def __init__(self, sentence: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code or type(self).code
        self.field = field


class InvalidInput(ArenaError):
    """The request can't be understood; with a ``field``, which names the part to fix, the code is ``invalid_field``."""

    status = 400
    code = "invalid_input"

    def __init__(self, sentence: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(sentence, code=code or (None if field is None else "invalid_field"), field=field)


class Forbidden(ArenaError):
    """Only those who run the arena may do that. Never a 401: it sends existing pages to their log-in."""

    status = 403
    code = "forbidden"


class NotFound(ArenaError):
    """Nothing of that name exists (any more)."""

    status = 404
    code = "not_found"


class Conflict(ArenaError):
    """The request is well formed, but the state of things does not allow it."""

    status = 409
    code = "conflict"

    def __init__(
        self,
        sentence: str,
        *,
        code: str | None = None,
        field: str | None = None,
        vote: dict[str, object] | None = None,
    ) -> None:
        super().__init__(sentence, code=code, field=field)
        self.vote = vote


class MessageTooLarge(ArenaError):
    """The body or the message is longer than the configured limit."""

    status = 413
    code = "too_large"


class StorageFull(ArenaError):
    """There is no room for what was sent: on the disk, or in what its owner may have of it."""

    status = 507
    code = "storage_full"


class Unavailable(ArenaError):
    """Something that the arena needs is unavailable; ``retry_after_s`` is whole seconds."""

    status = 503
    code = "unavailable"

    def __init__(self, sentence: str, *, code: str | None = None, retry_after_s: int = 2) -> None:
        super().__init__(sentence, code=code)
        self.retry_after_s = retry_after_s


class QueueFull(Unavailable):
    """A host's queue is at its bound, so the battle is not accepted."""

    code = "queue_full"


class ConfigurationError(ArenaError):
    """The process can't start like this; the sentence names the setting and the remedy."""

    code = "configuration"
