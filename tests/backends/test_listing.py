"""What a server's own words say of its models."""

from __future__ import annotations

import pytest

from app.backends.openai.listing import capabilities_in

CAPS = {"supports_tools": True}


@pytest.mark.parametrize(
    ("props", "capabilities"),
    [
        ({"chat_template_caps": CAPS}, ("completion", "tools")),
        ({"chat_template_caps": {"supports_tools": False}, "modalities": {"vision": True}}, ("completion", "vision")),
        ({"chat_template_caps": CAPS, "chat_template": "{{ '<think>' }}"}, ("completion", "tools", "thinking")),
        ({"chat_template_caps": {}}, ()),
        ({"chat_template_caps": "yes"}, ()),
        ({}, ()),
        (None, ()),
        ([], ()),
    ],
)
def test_llama_servers_properties_tell_what_its_model_can_do(props: object, capabilities: tuple[str, ...]) -> None:
    assert capabilities_in(props) == capabilities
