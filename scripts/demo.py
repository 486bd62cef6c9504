"""Shows the main tasks on real music: index, identify a noisy clip, find similar tracks.

python3 scripts/demo.py                 on the ten short tracks that come with the project
python3 scripts/demo.py MUSIC_FOLDER    on your own music, in your own library, which stays
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environment import BIN, ROOT, enter_environment

SEED = 13
CLIP_S = 8.0
SR = 16_000


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


def demonstrate(music: Path, program: Program, folder: Path) -> None:
    say(f"1. Index: analyze every track in {music} once and keep its fingerprint.")
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


def main() -> None:
    enter_environment()
    if len(sys.argv) > 2:
        sys.exit(f"usage: {sys.argv[0]} [MUSIC_FOLDER]")
    with tempfile.TemporaryDirectory(prefix="fingerprinter-demo-") as scratch:
        folder = Path(scratch)
        if len(sys.argv) == 2:
            music = Path(sys.argv[1]).expanduser().absolute()
            if not music.is_dir():
                sys.exit(f"{music}: no such folder; name the one that your music is in")
            demonstrate(music, Program(None), folder)
            say(f"Your library stays. Next: {BIN / 'fingerprinter'} --help")
        else:
            demonstrate(ROOT / "tests" / "music", Program(folder / "demo.db"), folder)
            say("Now with your own music: python3 scripts/demo.py MUSIC_FOLDER")


if __name__ == "__main__":
    main()
