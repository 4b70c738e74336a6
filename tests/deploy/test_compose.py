"""The compose file: what it refers to exists, nothing but the proxy is open, and every setting is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings.secret_files import file_settings
from app.settings.settings import Settings

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILES = ("demo", "gpu", "prod")
OURS = [name for name, service in SERVICES.items() if str(service["image"]).startswith("progressive-arena")]


def of(profile: str) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in SERVICES.items() if profile in service["profiles"]}


def test_every_service_is_of_one_profile() -> None:
    assert all(len(service["profiles"]) == 1 for service in SERVICES.values())
    assert {service["profiles"][0] for service in SERVICES.values()} == set(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_service_waits_for_is_of_its_profile_and_can_be_waited_for(profile: str) -> None:
    for name, service in of(profile).items():
        for other, condition in (
            (service.get("depends_on") or {}).items() if isinstance(service.get("depends_on"), dict) else []
        ):
            assert other in of(profile), (name, other)
            waited_for = of(profile)[other]
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in waited_for or other in OURS, other
            else:
                assert waited_for["restart"] == "no", other


def test_only_the_proxy_listens_to_the_network() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert name == "proxy" or port.startswith("127.0.0.1:"), (name, port)


def test_images_are_pinned_to_a_version() -> None:
    assert all(
        re.search(r":[^:/]*\d+\.\d+|:\d+-", service["image"]) or name in OURS for name, service in SERVICES.items()
    )


@pytest.mark.parametrize("name", OURS)
def test_ours_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    known = {setting.upper() for setting in Settings.model_fields} | file_settings()
    assert set(SERVICES[name].get("environment", ())) <= known


def test_secrets_and_configs_exist_and_are_used() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    script = (DOCKER / "secrets.sh").read_text()
    assert all(name in script for name in COMPOSE["secrets"])
    for config in COMPOSE["configs"].values():
        assert (DOCKER / config["file"]).resolve().is_file(), config
    assert all("password" not in key.lower() or key.endswith(("_FILE", "__FILE")) for key in _variables())


def _variables() -> set[str]:
    return {key for service in SERVICES.values() for key in (service.get("environment") or {})}


def test_redis_never_throws_a_battle_away() -> None:
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    kept = (DOCKER.parent / ".dockerignore").read_text().split()
    assert {"!app", "!alembic", "!page", "!pyproject.toml", "!requirements.lock", "!README.md", "!LICENSE"} <= set(kept)
    assert kept[0] != "!app"
