"""How a model server may fail.

    BackendError                      retryable  on_answer (the public code)
    ├── BackendUnavailable            yes        unavailable   refused, reset or gone before the first token
    ├── BackendOverloaded             yes        overloaded    the server's own queue is full (503)
    ├── RunnerStopped                 yes        unavailable   the model's process had died between requests
    ├── LoadTimedOut                  no         timeout       no first token within the limit
    ├── ModelNotFound                 no         unavailable   the server has no such model
    ├── BadRequest                    no         unavailable   the server refuses the request as it is
    │   └── PromptTooLong             no         unavailable   the prompt has more tokens than the model's context
    ├── OutOfCapacity                 no         unavailable   the model can't be loaded there
    ├── UpstreamFailed                no         unavailable   any other error the server reports before the first token
    └── BackendBroken                 no         cut_off       ended after the first token and before its end
        ├── Faulted                   no         cut_off       the server reported an error then, or sent nonsense
        ├── Stalled                   no         timeout       silent for too long in mid-answer
        └── Overlong                  no         timeout       not finished within the total limit

The classes are those of the field's error taxonomy (not found, bad request, capacity, overloaded, load timeout,
stalled, truncated, upstream error). A backend's own words stay in ``str(error)`` for the log; viewers only ever
see a fixed sentence for ``public_code``.
"""

from __future__ import annotations


class BackendError(Exception):
    """An answer could not be written; the text is for the log only."""

    code = "upstream_error"
    public_code = "unavailable"
    retryable = False


class BackendUnavailable(BackendError):
    """Refused, reset or gone before the first token; safe to retry."""

    code = "unavailable"
    retryable = True


class BackendOverloaded(BackendError):
    """The server's own queue is full (HTTP 503); safe to retry after a pause."""

    code = "overloaded"
    public_code = "overloaded"
    retryable = True


class RunnerStopped(BackendError):
    """The model's process had died between requests; the next request loads it again."""

    code = "runner_stopped"
    retryable = True


class LoadTimedOut(BackendError):
    """No first token within the limit that covers a cold load."""

    code = "load_timeout"
    public_code = "timeout"


class ModelNotFound(BackendError):
    """The server has no model of that name."""

    code = "not_found"


class BadRequest(BackendError):
    """The server refuses the request as it is (4xx)."""

    code = "bad_request"


class PromptTooLong(BadRequest):
    """The prompt has more tokens than the model's context."""

    code = "prompt_too_long"


class OutOfCapacity(BackendError):
    """The model can't be loaded there: not enough memory, or its process dies on start."""

    code = "capacity"


class UpstreamFailed(BackendError):
    """Any other error that the server reports before the first token."""


class BackendBroken(BackendError):
    """Cut off after the first token; never retried, never spliced."""

    code = "truncated"
    public_code = "cut_off"


class Faulted(BackendBroken):
    """The server reported an error, or sent nonsense, after the first token."""

    code = "upstream_error"


class Stalled(BackendBroken):
    """Silent for longer than the stall limit in mid-answer."""

    code = "stalled"
    public_code = "timeout"


class Overlong(BackendBroken):
    """Not finished within the total limit, counted from the first token."""

    code = "overlong"
    public_code = "timeout"


def cut_off(cause: Exception | None, mark: str, *, started: bool) -> BackendError:
    """What it means that a connection ended before ``mark``, which every whole answer has."""
    how = f"the connection was lost ({cause})" if cause else "the connection was closed"
    if started:
        return BackendBroken(f"{how} before {mark}")
    if cause is not None and not isinstance(cause, OSError):
        return UpstreamFailed(f"the response is not HTTP ({cause})")
    return BackendUnavailable(f"{how} before the first token")
