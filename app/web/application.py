"""The ASGI application: routes, error handlers and the gate for bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from app import __version__
from app.web import documentation, legacy
from app.web.api import battles, board_change, feedback, hosts, runs
from app.web.openai import batches as openai_batches
from app.web.openai import chat, files, memory, models
from app.web.ops import health, metrics, trial
from app.web.page import routes as page
from app.web.reference import routes as reference
from app.web.schemas.errors import ANY_ERROR
from app.web.shared import errors
from app.web.shared.bodies import BodyGate
from app.web.shared.caching import NoStore
from app.web.shared.cors import letting_in
from app.web.shared.refusals import Refusals
from app.web.shared.request_ids import RequestIds
from app.web.shared.request_spans import RequestSpans
from app.web.shared.services import Services

DESCRIPTION = "Blind, side-by-side battles between local models: the winner stays and meets the next challenger."


class Arena(FastAPI):
    """The application; what every response has is added outermost, so that the answer to an unexpected error has it."""

    cors_origins: Sequence[str] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """The framework's stack in ours."""
        inner = RequestSpans(super().build_middleware_stack())
        return RequestIds(NoStore(letting_in(self.cors_origins, inner)))


def create(opened: Callable[[], AbstractAsyncContextManager[Services]], *, cors_origins: Sequence[str] = ()) -> FastAPI:
    """Build the application; ``opened`` starts and ends the services with its lifespan.

    Pages of ``cors_origins`` may call it from a browser.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as services:
            app.state.services = services
            yield

    app = Arena(
        title="Progressive Arena",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # the framework's pages load their scripts from elsewhere: app.web.reference is ours
        redoc_url=None,
        generate_unique_id_function=documentation.operation_id,
    )
    app.cors_origins = cors_origins
    native = (battles, board_change, feedback, legacy, hosts, runs, metrics, health, trial, page, reference)
    for room in (*native, models, memory, files, openai_batches, chat):
        app.include_router(room.router, responses=ANY_ERROR)
    app.include_router(chat.claims)
    documentation.install(app)
    errors.install(app)
    app.add_middleware(BodyGate)
    app.add_middleware(Refusals)
    return app
