"""The child process: ``python -m app.batch.rendering.child MEGABYTES SECONDS``.

Messages are a length (4 bytes) and JSON. The first is the stages, and is answered with the names that they read, or
with an error; each further one is a list of items, each of which is answered by itself, in order, as soon as it is
done.
"""

from __future__ import annotations

import resource
import struct
import sys
from typing import IO, Any

import orjson

from app.batch.rendering.environment import Workshop

HEADER = struct.Struct(">I")


def _read(source: IO[bytes]) -> Any:
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    return orjson.loads(source.read(HEADER.unpack(header)[0]))


def _write(sink: IO[bytes], value: object) -> None:
    body = orjson.dumps(value)
    sink.write(HEADER.pack(len(body)) + body)
    sink.flush()


def _limited(megabytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Answer until stdin ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    stages = _read(source)
    if stages is None:
        return
    if any(isinstance(stage.get("json"), dict) for stage in stages):
        import jsonschema  # noqa: F401 - before memory is limited
    _limited(int(sys.argv[1]))
    try:
        workshop = Workshop(stages)
    except (ValueError, MemoryError, RecursionError) as error:
        _write(sink, {"error": str(error) or type(error).__name__})
        return
    _write(sink, {"names": workshop.names()})
    while (items := _read(source)) is not None:
        for item in items:
            _write(sink, workshop.reply(item))


if __name__ == "__main__":
    main()
