"""Shows the main tasks on real music: index, identify a noisy clip, find similar tracks.

python3 scripts/demo.py                 on the ten short tracks that come with the project
python3 scripts/demo.py MUSIC_FOLDER    on your own music, in your own library, which stays

At its end it offers the web page of this library. With --serve it opens it without a question, in a
browser whose microphone hears the noisy clip if Chromium or Chrome is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from environment import BIN, ROOT, ensure_environment, enter_environment

SEED = 13
CLIP_S = 8.0
SR = 16_000
START_S = 120.0  # until the service answers at the latest
BROWSER_S = 5.0  # a browser that cannot start has ended by then
END_S = 10.0  # for a process to end before it is killed
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


class Program:
    """The installed command, run as a new user would run it."""

    def __init__(self, db: Path | None) -> None:
        self._start = [str(BIN / "fingerprinter"), *(["--db", str(db)] if db else [])]

    def show(self, *arguments: str) -> None:
        """Prints a command and runs it."""
        typed = " ".join(["fingerprinter", *self._start[1:], *map(quoted, arguments)])
        print(f"\n  $ {typed}", flush=True)
        status = subprocess.run([*self._start, *arguments], check=False).returncode
        if status > 1:  # 1: done, but some files could not be read
            sys.exit(status)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a command that goes on until it is terminated."""
        return subprocess.Popen([*self._start, *arguments])

    def ask(self, *arguments: str) -> list[dict[str, Any]]:
        """Runs a command and returns the JSON lines that it prints."""
        command = [*self._start, *arguments, "--json"]
        done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
        return [json.loads(line) for line in done.stdout.splitlines()]


def quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument


def name_of(track: dict[str, Any]) -> str:
    title = track["title"] or Path(track["path"]).stem
    return f"{title} by {track['artist']}" if track["artist"] else title


def make_noisy_clip(track: dict[str, Any], folder: Path) -> tuple[Path, float]:
    """Eight seconds from the middle of a track under noise as loud as the music; (file, start)."""
    import numpy as np

    from fingerprinter.audio import open_audio, write_wav

    start_s = round(track["duration_s"] * 0.4, 1)
    with open_audio(track["path"], SR, start_s=start_s) as audio:
        music = next(audio.blocks(CLIP_S))
    white = np.fft.rfft(np.random.default_rng(SEED).standard_normal(len(music)))
    pink = np.fft.irfft(white / np.sqrt(np.arange(len(white)) + 1.0), len(music))
    mixed = music + pink * np.sqrt(np.mean(music**2) / np.mean(pink**2))
    clip = folder / "noisy-clip.wav"
    write_wav(clip, (mixed * 0.5 / np.abs(mixed).max()).astype(np.float32), SR)
    return clip, start_s


def make_unknown_clip(folder: Path) -> Path:
    """Eight seconds of a generated tune that is in no library."""
    import numpy as np

    from fingerprinter.audio import write_wav

    rng = np.random.default_rng(SEED)
    time_s = np.arange(int(0.25 * SR)) / SR
    hertz = 220 * 2 ** (rng.integers(0, 24, int(CLIP_S / 0.25)) / 12)
    notes = [np.sin(2 * np.pi * h * time_s) * np.exp(-6 * time_s) for h in hertz]
    clip = folder / "unknown-clip.wav"
    write_wav(clip, (0.4 * np.concatenate(notes)).astype(np.float32), SR)
    return clip


def demonstrate(music: Path, program: Program, folder: Path) -> Path:
    """Shows the main tasks; returns the noisy clip."""
    say(f"1. Index: read every track in {music} once and keep its fingerprint.")
    program.show("index", str(music))
    program.show("stats")

    long_enough = [t for t in program.ask("list") if t["path"] and t["duration_s"] > 2 * CLIP_S]
    if not long_enough:
        sys.exit(f"{music}: no track of {2 * CLIP_S:.0f} s or more to take a clip from")
    track = long_enough[len(long_enough) // 2]
    clip, start_s = make_noisy_clip(track, folder)
    say(
        f"2. Identify: {CLIP_S:.0f} seconds of {name_of(track)}, from {start_s:.1f} s on,"
        " under noise as loud as the music.\n   The file's name and tags say nothing;"
        " it is recognised by its sound."
    )
    program.show("identify", str(clip))
    say("   Music that is not in the library gets no answer:")
    program.show("identify", str(make_unknown_clip(folder)))

    say(f"3. Similar: what else here sounds like {name_of(track)}?")
    program.show("similar", str(track["id"]), "-n", "5")
    return clip


def wants_page(given: bool) -> bool:
    """Whether to open the page: as the command line says, else as a person at a terminal says."""
    if given or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return given
    say("4. The page: search, play and identify in your browser.")
    return input("   Open it now? [y/N] ").strip().lower() in ("y", "yes")


def show_page(program: Program, clip: Path, folder: Path) -> None:
    """Starts the service on the library and opens its page. Ctrl-C or its end ends this, too."""
    ensure_environment(("server",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    processes = [program.start("serve", "--port", str(port))]
    try:
        wait_until_up(url, processes[0])
        processes += open_page(url, clip, folder)
        say("   Ctrl-C ends the service.")
        processes[0].wait()
    except KeyboardInterrupt:
        pass
    finally:
        for process in reversed(processes):
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_until_up(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while service.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}healthz", timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
    sys.exit(f"{url}: the service does not answer; its messages above say why")


def open_page(url: str, clip: Path, folder: Path) -> list[subprocess.Popen[bytes]]:
    """Opens the page in Chromium with the clip as its microphone, else in the user's browser.

    Never waits for a browser for more than a few seconds. Returns the process of Chromium, if that
    was started.
    """
    has_screen = sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if (
        has_screen
        and chromium
        and (started := start_browser([*chromium_command(chromium, clip, folder), url]))
    ):
        say(f"   {url} is open in {chromium}, whose microphone hears {clip.name} again and again.")
        say("   Press the microphone. With your own browser and microphone, open the same address.")
        return [started]
    # In a process of its own, because some browsers return only when they are closed.
    opener = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
    if has_screen and start_browser([sys.executable, "-c", opener, url]):
        say(f"   {url} is open in your browser. Press the microphone and play {clip}.")
    else:
        say(f"   Open {url} in a browser. The noisy clip is {clip}.")
    return []


def chromium_command(chromium: str, clip: Path, folder: Path) -> list[str]:
    """The command of a Chromium with a profile of its own, whose microphone plays the clip."""
    command = [
        chromium,
        f"--user-data-dir={folder / 'browser'}",
        "--no-first-run",
        "--password-store=basic",  # asks for no key ring
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={clip}",
    ]
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*command, "--no-sandbox"] if is_root else command  # as root it does not start otherwise


def start_browser(command: list[str]) -> subprocess.Popen[bytes] | None:
    """Starts a browser; returns None if it ends at once with an error."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        return None if process.wait(BROWSER_S) else process
    except subprocess.TimeoutExpired:
        return process


def main() -> None:
    parser = argparse.ArgumentParser(description="Shows the main tasks on real music.")
    parser.add_argument("music", nargs="?", metavar="MUSIC_FOLDER", help="default: ten tracks")
    parser.add_argument("--serve", action="store_true", help="open the web page at the end")
    wanted = parser.parse_args()
    enter_environment(("server",) if wanted.serve else ())
    with tempfile.TemporaryDirectory(
        prefix="fingerprinter-demo-", ignore_cleanup_errors=True
    ) as scratch:
        folder = Path(scratch)
        if wanted.music:
            music = Path(wanted.music).expanduser().absolute()
            if not music.is_dir():
                sys.exit(f"{music}: no such folder; name the one that your music is in")
            program = Program(None)
        else:
            music, program = ROOT / "tests" / "music", Program(folder / "demo.db")
        clip = demonstrate(music, program, folder)
        if wants_page(wanted.serve):
            show_page(program, clip, folder)
        if wanted.music:
            say(f"Your library stays. Next: {BIN / 'fingerprinter'} --help")
        else:
            say("Now with your own music: python3 scripts/demo.py MUSIC_FOLDER")


if __name__ == "__main__":
    main()
