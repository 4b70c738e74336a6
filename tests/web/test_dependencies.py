"""How many dependencies the framework solves for the commonest calls: each costs a hundred calls of functions."""

from __future__ import annotations

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.web.api.battles import router


def solved(dependant: Dependant) -> int:
    """All dependencies of an endpoint, one that several need as often as they do."""
    return sum(1 + solved(part) for part in dependant.dependencies)


@pytest.mark.parametrize(
    ("name", "most"), [("open_battle", 0), ("read_battle", 0), ("watch_battle", 0), ("vote", 1)], ids=str
)
def test_what_people_do_most_has_few_dependencies(name: str, most: int) -> None:
    routes = [route for route in router.routes if isinstance(route, APIRoute) and route.name == name]
    assert routes
    assert [solved(route.dependant) for route in routes] == [most] * len(routes)
