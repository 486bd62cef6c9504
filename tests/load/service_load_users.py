"""What clients ask of the service in `service_load.py`; a file of locust, which runs it.

The environment names the kind of request (LOAD_KIND) and a file with ids, words and clips
(LOAD_DATA). Each client sends its next request when the last one is answered. A client that is
told to wait (429) waits as long as it is told, and counts that apart.
"""

# mypy: disable-error-code="misc,untyped-decorator"
# ... because locust, which is no dependency, has no types here

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import gevent
from locust import HttpUser, events, task

KIND = os.environ["LOAD_KIND"]
DATA = json.loads(Path(os.environ["LOAD_DATA"]).read_text(encoding="utf-8"))
CLIPS = [Path(path).read_bytes() for path in DATA["clips"]]
PAGE = 200


class Client(HttpUser):
    @task
    def ask(self) -> None:
        chance = random.Random()
        with getattr(self, KIND)(chance) as answer:
            if answer.status_code == 429:
                answer.request_meta["name"] = "busy"
                answer.success()
            elif answer.status_code != 200:
                answer.failure(f"status {answer.status_code}: {answer.text[:200]}")
            elif KIND == "identify":
                _tell_overhead(answer)
        if answer.status_code == 429:
            gevent.sleep(float(answer.headers.get("Retry-After", 1)))

    def identify(self, chance: random.Random) -> Any:
        body = chance.choice(CLIPS)
        return self.client.post("/api/identify", data=body, name=KIND, catch_response=True)

    def similar(self, chance: random.Random) -> Any:
        path = f"/api/tracks/{chance.choice(DATA['ids'])}/similar?n=10"
        return self.client.get(path, name=KIND, catch_response=True)

    def search(self, chance: random.Random) -> Any:
        words = {"query": chance.choice(DATA["words"]), "n": 20}
        return self.client.get("/api/search", params=words, name=KIND, catch_response=True)

    def list(self, chance: random.Random) -> Any:
        page = {"offset": chance.randrange(max(1, DATA["tracks"] - PAGE)), "limit": PAGE}
        return self.client.get("/api/tracks", params=page, name=KIND, catch_response=True)

    def map(self, _: random.Random) -> Any:
        return self.client.get("/api/map", name=KIND, catch_response=True)


def _tell_overhead(answer: Any) -> None:
    """Note how much longer the answer took than the search itself."""
    search_ms = 1000 * answer.json()["elapsed_s"]
    events.request.fire(
        request_type="POST",
        name="overhead",
        response_time=answer.elapsed.total_seconds() * 1000 - search_ms,
        response_length=0,
        exception=None,
        context={},
    )
