"""The command `monitor`: report what plays on stations, until they end."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fingerprinter.audio import write_wav
from fingerprinter.audio.streams.sources import MIC, STDIN, named_source, open_source
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import MinConfidence
from fingerprinter.cli.common.output import csv_lines, print_json, print_message
from fingerprinter.cli.common.records import event_record
from fingerprinter.cli.common.webhook import Webhook
from fingerprinter.errors import UsageError
from fingerprinter.library import MIN_CONFIDENCE, open_library
from fingerprinter.library.listening.events import StationEvent

if TYPE_CHECKING:
    from fingerprinter.audio.signal import Mono

_SR = 16_000  # Hz, of saved sound
_COLUMNS = ("station", "date", "start", "seconds", "title", "artist", "album", "isrc", "label")
_POLL_S = 0.5


def monitor(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Addresses of stations (Icecast, HLS), files, - for standard input, or mic. "
            "NAME=SOURCE gives a station a name.",
            show_default=False,
        ),
    ],
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append each recording that ended to a report."),
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Also post each event to this address.")
    ] = None,
    save_unknown: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Save unknown sound as WAV, each jingle once. An hour takes 115 MB.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Microphone for mic, by name or number. Default: the system's."
        ),
    ] = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
) -> None:
    """Report what plays on stations, until they end or Ctrl-C.

    Each line of the output is an event as JSON: a recording of the library began, still plays or
    ended, unknown sound ended, or there was a gap without sound. "claimed" is what the station
    itself says. A station whose connection breaks is connected again.

    Example: fingerprinter monitor https://radio.example/live
    """
    if sum(named_source(each)[1] in (STDIN, MIC) for each in sources) > 1:
        raise UsageError("standard input and the microphone can be one source only; leave one out")
    opened = [(name, open_source(each, device=device)) for name, each in map(named_source, sources)]
    with ExitStack() as resources:
        library = resources.enter_context(open_library(ctx.obj, create=False, read_only=True))
        receivers: list[Callable[[StationEvent], None]] = [lambda e: print_json(event_record(e))]
        if csv:
            receivers.append(Report(csv).add)
        if webhook:
            hook = resources.enter_context(Webhook(webhook, print_message))
            receivers.append(lambda event: hook.put(event_record(event)))
        saver = UnknownSaver(save_unknown) if save_unknown else None
        over = resources.enter_context(_stopped_by_signals())

        def on_event(event: StationEvent) -> None:
            try:
                for receive in receivers:
                    receive(event)
            except typer.Exit as closed:  # nobody reads the output any more
                over.status = closed.exit_code
                over.event.set()

        monitors = resources.enter_context(library.monitors(on_event, print_message))
        for name, source in opened:
            monitors.add(
                source,
                name,
                min_confidence=min_confidence,
                on_unknown=saver.save if saver else None,
            )
        while not over.event.is_set() and not monitors.wait(_POLL_S):
            pass
        monitors.close()
        states = [each.state().state for each in monitors.stations().values()]
    if over.status or "failed" in states:
        raise typer.Exit(over.status or 1)


class _Over:
    """Whether the command is to end, and with which status."""

    def __init__(self) -> None:
        self.event, self.status = threading.Event(), 0


@contextmanager
def _stopped_by_signals() -> Iterator[_Over]:
    """End on SIGINT and SIGTERM after reporting what plays as ended."""
    over = _Over()

    def stop(number: int, _: Any) -> None:
        over.status = 128 + number if number == signal.SIGINT else 0
        over.event.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Report:
    """A CSV file with a row for each recording that ended.

    Parameters
    ----------
    path : Path
        The file. Rows are appended.

    Raises
    ------
    UsageError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            is_new = not path.exists() or path.stat().st_size == 0
            with path.open("a", encoding="utf-8", newline="") as file:
                if is_new:
                    file.write(",".join(_COLUMNS) + "\n")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from None

    def add(self, event: StationEvent) -> None:
        """Append a recording that ended; date and start are in the time zone of the computer."""
        if event.type != "ended" or event.match is None or event.ended_at is None:
            return
        start, track = event.started_at.astimezone(), event.match.track
        seconds = (event.ended_at - event.started_at).total_seconds()
        row: list[str | float] = [
            event.station,
            start.strftime("%Y-%m-%d"),
            start.strftime("%H:%M:%S"),
            round(seconds, 1),
            text.title(track),
            *((each or "") for each in (track.artist, track.album, track.isrc, track.label)),
        ]
        _, line = csv_lines(_COLUMNS, [row])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(line + "\n")
        except OSError as error:  # such as a full disk; the monitor continues
            print_message(f"{self._path}: a row is missing ({error.strerror})")


class UnknownSaver:
    """A folder of unknown sound, without what was heard before.

    Parameters
    ----------
    folder : Path
        The folder. It is made if it is missing.

    Raises
    ------
    UsageError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}; name another folder") from None

    def save(self, event: StationEvent, samples: Mono) -> None:
        """Save the sound of an event, unless it was heard before."""
        if event.heard_before or not len(samples):
            return
        station = re.sub(r"[^\w.-]+", "_", event.station).strip("._")[:80] or "station"
        path = self._folder / f"{station}-{event.started_at:%Y%m%dT%H%M%S}.wav"
        try:
            write_wav(path, samples, _SR)
        except OSError as error:
            print_message(f"{path}: not saved ({error.strerror})")
