"""Run the service, in one process or in several."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from dataclasses import replace

import uvicorn

from fingerprinter.server.app import SETTINGS_VARIABLE
from fingerprinter.server.logs import configure_logs
from fingerprinter.server.settings import ServerSettings
from fingerprinter.server.watching import watch_folders

_GRACE_S = 10  # for requests that are being answered when the service ends
_KEEP_ALIVE_S = 30


def serve(settings: ServerSettings) -> None:
    """Serve until a signal ends it.

    SIGINT and SIGTERM end the service gracefully: it takes no new connection, answers what it has
    begun, stops the running job at the next file, and closes the library.

    Parameters
    ----------
    settings : ServerSettings
        Its settings.
    """
    configure_logs(settings.log)
    # uvicorn sends itself the signal again when it has ended; this lets the rest end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stop = threading.Event()
    watching = threading.Thread(target=watch_folders, args=(settings, stop), daemon=True)
    if settings.watch:  # in this process only, however many serve
        watching.start()
    with tempfile.TemporaryDirectory(prefix="fingerprinter-serve-") as folder:
        os.environ[SETTINGS_VARIABLE] = replace(settings, run_folder=folder).to_json()
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            uvicorn.run(
                "fingerprinter.server.app:create_worker_app",
                factory=True,
                host=settings.host,
                port=settings.port,
                workers=settings.workers,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=settings.proxies,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        finally:
            stop.set()
            if settings.watch:
                watching.join(_GRACE_S)
