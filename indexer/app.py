"""The process: two threads that work, and a health address beside them."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from elasticsearch import Elasticsearch
from fastapi import FastAPI

from indexer.capture import Capture
from indexer.caretaker import Caretaker
from indexer.changes import Changes
from indexer.connector import Connector, connector_config
from indexer.dead_letters import DeadLetters
from indexer.index_admin import IndexAdmin
from indexer.index_writer import IndexWriter
from indexer.live import LiveIndexing
from indexer.progress import Progress
from indexer.proof import Proof
from indexer.reader import Reader
from indexer.settings import IndexerSettings
from indexer.state import IndexerState
from indexer.topics import Topics
from service_kit.health import health_router
from service_kit.problem_responses import add_problem_handlers

PROCESS = "indexer"
# The threads are daemons: what they leave unfinished at the end is done again at the next start.
STOP_SECONDS = 1.5
DEFECT_PAUSE_SECONDS = 1.0

_LOG = logging.getLogger(__name__)


def create_elasticsearch(url: str) -> Elasticsearch:
    """A client that answers or fails within its caller's timeout; whoever calls decides about retries."""
    return Elasticsearch(
        url, max_retries=0, retry_on_timeout=False, request_timeout=10, connections_per_node=4
    )


def create_app(settings: IndexerSettings) -> FastAPI:
    """The application; its threads run as long as its lifespan."""
    state, stop = IndexerState(), threading.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # 1. What both threads share; 2. the threads. At the end both are told, and waited for a little.
        elasticsearch = create_elasticsearch(settings.elasticsearch)
        proof = Proof(Progress(elasticsearch))
        works = {
            "live": live_indexing(settings, elasticsearch, proof, state, stop).run,
            "caretaker": _caretaker(settings, elasticsearch, proof, state, stop).run,
        }
        threads = [_start(name, work, state, stop) for name, work in works.items()]
        yield
        stop.set()
        proof.doubt()  # wakes the caretaker
        for thread in threads:
            thread.join(STOP_SECONDS / len(threads))

    app = FastAPI(
        title="Frontrow indexer", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None
    )
    add_problem_handlers(app)

    async def readiness() -> tuple[bool, dict[str, Any]]:
        return state.ready, state.details()

    app.include_router(health_router(process=PROCESS, region=settings.region, readiness=readiness))
    return app


def live_indexing(
    settings: IndexerSettings,
    elasticsearch: Elasticsearch,
    proof: Proof,
    state: IndexerState,
    stop: threading.Event,
) -> LiveIndexing:
    """What follows the topic of changes, put together."""
    member = f"indexer-{settings.region}-{settings.listen_port}"
    return LiveIndexing(
        connect=lambda: _follow_changes(settings.kafka, member),
        reader=Reader(settings.reader_database, name="frontrow-indexer-live"),
        writer=IndexWriter(elasticsearch),
        progress=Progress(elasticsearch),
        proof=proof,
        dead_letters=DeadLetters(settings.kafka),
        state=state,
        stop=stop,
    )


def _follow_changes(bootstrap: str, member: str) -> Changes:
    """A consumer of a topic that exists: one of a topic that doesn't takes seconds to notice that it does."""
    with Topics(bootstrap) as topics:
        topics.ensure()
    return Changes(bootstrap, member=member)


def _caretaker(
    settings: IndexerSettings,
    elasticsearch: Elasticsearch,
    proof: Proof,
    state: IndexerState,
    stop: threading.Event,
) -> Caretaker:
    reader = Reader(settings.reader_database, name="frontrow-indexer-caretaker")
    capture = Capture(
        reader=reader,
        capture_url=settings.capture_database,
        connector=Connector(
            settings.connect, connector_config(settings.capture_database, settings.connector_password)
        ),
        disprove=proof.disprove,
        on_repair=state.repairs,
    )
    return Caretaker(
        elasticsearch=elasticsearch,
        reader=reader,
        admin=IndexAdmin(elasticsearch),
        topics=Topics(settings.kafka),
        capture=capture,
        proof=proof,
        dead_letters=DeadLetters(settings.kafka),
        state=state,
        stop=stop,
    )


def _start(
    name: str, work: Callable[[], None], state: IndexerState, stop: threading.Event
) -> threading.Thread:
    """Runs `work` in a thread until `stop`; a defect of ours is logged, told by health, and tried again."""

    def guarded() -> None:
        while not stop.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a thread that ended would be missed by nobody
                _LOG.exception("defect", extra={"part": name})
                state.failed(name, error)
                stop.wait(DEFECT_PAUSE_SECONDS)

    thread = threading.Thread(target=guarded, name=f"indexer-{name}", daemon=True)
    thread.start()
    return thread
