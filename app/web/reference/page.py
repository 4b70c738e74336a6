"""The page: every call with what it takes and answers, then every schema; pure."""

from __future__ import annotations

import json
import re
import shlex
from html import escape
from typing import Any

from app.web.reference.markup import element, paragraphs, prose, sample, table
from app.web.reference.types import Json, section, type_of

STYLE = "/docs/reference.css"

Call = tuple[str, str, Json]
"""Method, path, operation."""

_TITLES = {
    "battles": "Battles",
    "hosts": "Hosts and models",
    "leaderboard": "Leaderboard",
    "about": "About this service",
    "health": "For load balancers and Prometheus",
    "existing clients": "Calls of existing clients",
}
"""The groups of calls in their order; others follow."""


def reference(document: Json) -> str:
    """The document as one HTML page."""
    groups = _grouped(document)
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{title}: the API</title><link rel="stylesheet" href="{STYLE}"></head>'
    )
    schemas = document["components"]["schemas"]
    calls = "".join(_group(tag, operations, schemas) for tag, operations in groups.items())
    sections = "".join(section(name, schema) for name, schema in sorted(schemas.items()))
    named = element("section", element("h2", "Schemas"), sections, id="schemas")
    main = element("main", element("h1", title), paragraphs(_INTRODUCTION), calls, named)
    return f"{head}<body>{_navigation(groups)}{main}</body></html>"


_INTRODUCTION = (
    "Bodies are JSON, times RFC 3339 in UTC, durations seconds (`_s`), sizes bytes. Every error is `ErrorBody`: a "
    "sentence that says what to do, a stable code, and the field that is meant.\n\n"
    "The same for programs is at `/openapi.json`; clients can be generated from it. What a battle's stream sends: "
    "`BattleEvents`."
)


def _grouped(document: Json) -> dict[str, list[Call]]:
    """Calls as (method, path, operation) by the last of their tags, in the order of ``_TITLES``."""
    groups: dict[str, list[Call]] = {tag: [] for tag in _TITLES}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation.get("tags", ["other"])[-1], []).append((verb.upper(), path, operation))
    return {tag: calls for tag, calls in groups.items() if calls}


def _title(tag: str) -> str:
    return _TITLES.get(tag, tag.capitalize())


def _anchor(tag: str) -> str:
    return f"calls-{tag.replace(' ', '-')}"


def _navigation(groups: dict[str, list[Call]]) -> str:
    links = [(f"#{_anchor(tag)}", _title(tag)) for tag in groups]
    links += [("#schemas", "Schemas"), ("/openapi.json", "openapi.json")]
    items = (element("li", element("a", escape(text), href=href)) for href, text in links)
    return element("nav", element("ul", *items), aria_label="Parts of the reference")


def _group(tag: str, calls: list[Call], schemas: Json) -> str:
    return element(
        "section", element("h2", escape(_title(tag))), *(_call(*call, schemas) for call in calls), id=_anchor(tag)
    )


def _call(method: str, path: str, operation: Json, schemas: Json) -> str:
    name = element("code", element("b", method), f" {escape(path)}")
    parts = (
        paragraphs(str(operation.get("description", ""))),
        _parameters(operation),
        _body(operation),
        element("h4", "Try it"),
        sample(_curl(method, path, operation, schemas)),
        _answers(operation),
    )
    return element("article", element("h3", name), *parts, id=str(operation["operationId"]))


def _parameters(operation: Json) -> str:
    rows = [
        (
            element("code", escape(one["name"])),
            escape(one["in"]),
            _type_of_given(one["schema"]),
            "always" if one.get("required") else "may be left out",
            prose(str(one.get("description", ""))),
        )
        for one in operation.get("parameters", ())
    ]
    return table(("parameter", "in", "type", "present", "meaning"), rows)


def _type_of_given(schema: Json) -> str:
    """A parameter that is null is one that is left out, which its own column shows."""
    kinds = [one for one in schema.get("anyOf", (schema,)) if one.get("type") != "null"]
    return " or ".join(type_of(one) for one in kinds)


def _content(part: Json) -> Json:
    return next(iter(part.get("content", {}).values()), {})


def _body(operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    return element("p", "Body: ", _type_of_given(_content(operation["requestBody"])["schema"]))


def _answers(operation: Json) -> str:
    rows = [
        (element("code", escape(status)), prose(str(answer.get("description", ""))), _schema(answer), _examples(answer))
        for status, answer in sorted(operation["responses"].items())
    ]
    return element("h4", "Answers") + table(("status", "meaning", "body", "example"), rows)


def _schema(answer: Json) -> str:
    content = _content(answer)
    return type_of(content["schema"]) if "schema" in content else ""


def _examples(answer: Json) -> str:
    content = _content(answer)
    shown = [content["example"]] if "example" in content else []
    shown += [one["value"] for one in content.get("examples", {}).values()]
    return "".join(element("details", element("summary", "example"), sample(one)) for one in shown)


def _curl(method: str, path: str, operation: Json, schemas: Json) -> str:
    """The call on a command line, with an example of its body; what is to be filled in is in capitals."""
    address = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), path)
    words = ["curl", *([] if method == "GET" else ["-X", method]), f"http://localhost:8000{address}"]
    if any(one["name"] == "X-Battle-Token" for one in operation.get("parameters", ())):
        words += ["-H", "X-Battle-Token: TOKEN"]
    example = _example_of_body(operation, schemas)
    if example is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(example, ensure_ascii=False)]
    return shlex.join(words)


def _example_of_body(operation: Json, schemas: Json) -> Any:
    if "requestBody" not in operation:
        return None
    schema = _content(operation["requestBody"])["schema"]
    names = [str(one["$ref"]).rpartition("/")[2] for one in schema.get("anyOf", (schema,)) if "$ref" in one]
    examples = schemas[names[0]].get("examples", ()) if names else ()
    return next(iter(examples), None)
