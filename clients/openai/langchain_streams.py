"""What LangChain's ChatOpenAI does with /v1, unchanged: ``langchain_streams.py <base URL> <model>``."""

from __future__ import annotations

import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def depth_of(sea: str) -> str:
    """How deep a sea is."""
    return f"{sea}: 95 m"


def say(what: str) -> None:
    """Tell what was checked."""
    sys.stdout.write(f"langchain: {what}\n")


def main(base: str, model: str) -> None:
    """Stream, ask for a whole answer, call a tool; an assertion fails where it is not as expected."""
    chat = ChatOpenAI(base_url=base, api_key="none", model=model, max_retries=0, max_tokens=60, stream_usage=True)
    pieces = list(chat.stream("Why do rivers bend?"))
    text = "".join(str(piece.content) for piece in pieces)
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert len([piece for piece in pieces if piece.content]) > 1, pieces
    assert text.strip()
    assert usage, pieces
    assert min(usage[-1]["input_tokens"], usage[-1]["output_tokens"]) > 0, usage
    say("streams")
    whole = chat.invoke("Why do rivers bend?")
    assert str(whole.content).strip()
    assert whole.response_metadata["finish_reason"] in ("stop", "length")
    say("answers whole")
    called = chat.bind_tools([depth_of]).invoke("How deep is the North Sea?")
    assert called.tool_calls[0]["name"] == "depth_of", called
    gathered = None
    for piece in chat.bind_tools([depth_of]).stream("How deep is the North Sea?"):
        gathered = piece if gathered is None else gathered + piece
    assert gathered is not None
    assert gathered.tool_calls[0]["args"] == called.tool_calls[0]["args"], gathered
    say("calls a tool, streaming and not")


if __name__ == "__main__":
    main(*sys.argv[1:])
