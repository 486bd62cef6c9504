"""Whether clips are still named when their tracks are among many others.

    python scripts/bench/recall.py ALONE.db CROWD.db --outside FOLDER... --out RESULTS.json

Runs `fingerprinter evaluate identify` on both libraries with the same seed: the fillers of CROWD
have no files, so that the clips are drawn from the same tracks. Other options are passed on, for
example `--ambience NOISE --speech VOICES`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INSIDE = (
    *("ambience+0dB-1s", "ambience+0dB-2s", "ambience-5dB-2s", "ambience-5dB-5s"),
    *("room+5dB-2s", "room+5dB-5s", "speed-0.88-10s", "tempo-1.18-10s", "pitch+2-10s"),
)
OUTSIDE_CONDITIONS = 6  # clean and with noise, of 2, 5 and 10 s


def evaluate(library: str, conditions: Sequence[str], clips: int, more: Sequence[str]) -> Any:
    command = [sys.executable, "-m", "fingerprinter", "--db", library, "evaluate", "identify"]
    asked = [*conditions, "--clips", str(clips), "--json", *more]
    done = subprocess.run([*command, *asked], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return json.loads(done.stdout)


def measure(library: str, clips: int, outside: int, more: Sequence[str]) -> dict[str, Any]:
    return {
        "inside": evaluate(library, INSIDE, clips, more),
        "outside": evaluate(library, ["outside"], -(-outside // OUTSIDE_CONDITIONS), more),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("alone", help="library of real tracks")
    parser.add_argument("crowd", help="library of the same tracks among fillers")
    parser.add_argument("--outside", nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=24, help="of each condition")
    parser.add_argument("--outside-clips", type=int, default=200, help="of all conditions")
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    given, more = parser.parse_known_args()
    folders = [word for folder in given.outside for word in ("--outside", folder)]
    report = {
        name: measure(library, given.clips, given.outside_clips, [*folders, *more])
        for name, library in (("alone", given.alone), ("crowd", given.crowd))
    }
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
