"""Rebuilds the files of `tests/music` from the Debian packages that `manifest.json` names.

    python scripts/make_demo_music.py [--packages DIR]

Needs Debian or Ubuntu (`apt-get`, `dpkg-deb`) and the project's environment with `[dev]`; DIR keeps
the packages. Each licence in the manifest was read in the package's own copyright file; each start
was chosen where the level is steady and the music repeats itself least. Writes the music, its
SHA-256 into the manifest, and `CREDITS.md`. The committed bytes are those of libsndfile 1.2.2 and
PyAV 18.1; other versions may write others. To add a file, add its entry without `sha256`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

MUSIC = Path(__file__).resolve().parent.parent / "tests" / "music"
MANIFEST = MUSIC / "manifest.json"
CREDITS_HEAD = """\
# Credits

Excerpts of free music for tests and the demo. They are no part of the installed package and keep
their authors' licences, each as the copyright file of its Debian package states it. Where the
original has no title or album, the name of its file or of its game stands here.

"""
FADE_S = 0.05  # long enough to avoid a click, short compared with the 2 s of a fingerprint

Entry = dict[str, Any]
Samples = npt.NDArray[np.float32]  # (n, channels), full scale 1.0


def package_file(name: str, version: str, folder: Path) -> Path:
    """The package's .deb in `folder`, downloaded if it is not there yet."""
    pattern = f"{name}_{version}_*.deb"
    if not any(folder.glob(pattern)):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-qq", "download", f"{name}={version}"], cwd=folder, check=True)
    return next(folder.glob(pattern))


def source_bytes(deb: Path, source_path: str) -> bytes:
    """One file of a package; `archive!member` names a file in a zip archive of the package."""
    path, _, member = source_path.partition("!")
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(data.stdout)) as package:
        found = package.extractfile(f"./{path}")
        assert found is not None, f"{deb.name}: {path} is not a plain file"
        content = found.read()
    return zipfile.ZipFile(io.BytesIO(content)).read(member) if member else content


def decode(content: bytes, sr: int) -> Samples:
    samples, source_sr = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    resampled: Samples = soxr.resample(samples, source_sr, sr)
    return resampled


def cut(samples: Samples, sr: int, start_s: float, duration_s: float) -> Samples:
    """The excerpt, faded in and out with half a cosine."""
    excerpt = samples[int(start_s * sr) : int((start_s + duration_s) * sr)].copy()
    n = int(FADE_S * sr)
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)).astype(np.float32)[:, None]
    excerpt[:n] *= ramp
    excerpt[-n:] *= ramp[::-1]
    return excerpt


def encode_opus(samples: Samples) -> io.BytesIO:
    """96 kbit/s by FFmpeg: libsndfile's Opus ends in a click."""
    encoded = io.BytesIO()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", "stereo")
    frame.sample_rate = 48_000
    with av.open(encoded, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="stereo", bit_rate=96_000)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return encoded


def encode_vorbis(samples: Samples) -> io.BytesIO:
    """Quality 2.5, about 96 kbit/s, by libsndfile: PyAV has no libvorbis."""
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, 44_100, "VORBIS", format="OGG", compression_level=0.75)
    return encoded


ENCODERS = {".opus": (48_000, encode_opus), ".ogg": (44_100, encode_vorbis)}


def write_tagged(path: Path, encoded: io.BytesIO, entry: Entry) -> None:
    """The same packets with tags and, by `bitexact`, without a random serial number."""
    encoded.seek(0)
    with (
        av.open(encoded, "r") as source,
        av.open(path, "w", format="ogg", options={"fflags": "+bitexact"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        stream.metadata.update(tags(entry))
        for packet in source.demux(audio=0):
            if packet.dts is not None:  # the last one is empty: end of file
                packet.stream = stream
                target.mux(packet)


def tags(entry: Entry) -> dict[str, str]:
    named = {key: entry[key] for key in ("title", "artist", "album", "genre", "copyright")}
    named |= {"date": entry["year"], "license": entry["licence"]}
    return {key: str(value) for key, value in named.items() if value is not None}


def make(entry: Entry, folder: Path) -> str:
    """Writes one excerpt; returns the SHA-256 of the file."""
    path = MUSIC / entry["file"]
    sr, encode = ENCODERS[path.suffix]
    deb = package_file(entry["package"], entry["package_version"], folder)
    samples = decode(source_bytes(deb, entry["source_path"]), sr)
    excerpt = cut(samples, sr, entry["start_s"], entry["duration_s"])
    write_tagged(path, encode(excerpt), entry)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def credit(entry: Entry) -> str:
    end_s = entry["start_s"] + entry["duration_s"]
    return (
        f"- **{entry['file']}**: “{entry['title']}” by {entry['artist']}, from {entry['album']}. "
        f"Copyright {entry['copyright']}. "
        f"Licence: [{entry['licence']}](LICENSES/{entry['licence']}.txt). "
        f"Source: `{Path(entry['source_path'].replace('!', '/')).name}` in the Debian package "
        f"`{entry['package']}` {entry['package_version']}, from <{entry['source_url']}>. "
        f"Changes: seconds {entry['start_s']:g} to {end_s:g}, faded at both ends, "
        f"re-encoded."
    )


def write_credits(entries: list[Entry]) -> None:
    text = CREDITS_HEAD + "\n".join(credit(entry) for entry in entries) + "\n"
    (MUSIC / "CREDITS.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--packages", type=Path, default=MUSIC.parents[1] / "build" / "packages")
    folder = parser.parse_args().packages
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for entry in entries:
        entry["sha256"] = make(entry, folder)
        print(entry["file"], entry["sha256"])
    MANIFEST.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_credits(entries)


if __name__ == "__main__":
    main()
