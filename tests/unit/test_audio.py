"""Decoding: all formats, all kinds of source, and damaged files.

All files are made here, by FFmpeg's encoders, from seeded signals.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import mutagen
import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import APIC, ID3, TIT2

from fingerprinter.audio import (
    AUDIO_SUFFIXES,
    AudioReader,
    content_id,
    find_audio,
    open_audio,
    read_content,
    read_samples,
    write_wav,
)
from fingerprinter.audio.damage import Damage
from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.decoder import decode as decode_here
from fingerprinter.audio.read_ahead import ReadAhead
from fingerprinter.audio.stream import EncodedStream
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.types import Problem

SECONDS = 3.0
Samples = npt.NDArray[np.float32]


class Format(NamedTuple):
    codec: str
    sample_format: str
    sr: int = 44_100
    options: dict[str, str] = {}  # noqa: RUF012 (of the encoder)


FORMATS = {
    "wav": Format("pcm_s16le", "s16"),
    "u8.wav": Format("pcm_u8", "u8"),
    "s24.wav": Format("pcm_s24le", "s32"),
    "s32.wav": Format("pcm_s32le", "s32"),
    "f32.wav": Format("pcm_f32le", "flt"),
    "f64.wav": Format("pcm_f64le", "dbl"),
    "s64.w64": Format("pcm_s64le", "s64"),
    "aiff": Format("pcm_s16be", "s16"),
    "au": Format("pcm_s16be", "s16"),
    "flac": Format("flac", "s16"),
    "wv": Format("wavpack", "s16p"),
    "alac.m4a": Format("alac", "s16p"),
    "mp3": Format("libmp3lame", "fltp"),
    "ogg": Format("vorbis", "fltp", options={"strict": "experimental"}),
    "opus": Format("libopus", "flt", 48_000),
    "webm": Format("libopus", "flt", 48_000),
    "m4a": Format("aac", "fltp"),
    "aac": Format("aac", "fltp"),
    "wma": Format("wmav2", "fltp"),
}
PCM = ["wav", "s24.wav", "s32.wav", "f32.wav", "f64.wav", "s64.w64", "aiff", "au"]
LOSSLESS = [*PCM, "flac", "wv", "alac.m4a"]


def sine(
    frequency: float, seconds: float = SECONDS, sr: int = 44_100, n_channels: int = 2
) -> Samples:
    x = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)
    return np.tile(x.astype(np.float32), (n_channels, 1))


def noise(seconds: float = SECONDS, sr: int = 44_100, n_channels: int = 2) -> Samples:
    """Noise whose loudness walks: no two moments are alike, and encoders can follow."""
    rng = np.random.default_rng(7)
    n = round(seconds * sr)
    white = np.convolve(rng.standard_normal(n + 40), np.hanning(41), "valid")
    loudness = np.repeat(rng.uniform(0.2, 1.0, n // 1000 + 1), 1000)[:n]
    x = 0.3 * white / np.abs(white).max() * loudness
    return np.tile(x.astype(np.float32), (n_channels, 1))


def encode(path: Path, samples: Samples, kind: Format, **muxer: str) -> Path:
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[len(samples)]
    with av.open(str(path), "w", options=muxer) as out:
        stream = out.add_stream(kind.codec, rate=kind.sr, layout=layout, options=kind.options)
        stream.format, stream.bit_rate = kind.sample_format, 128_000 * len(samples) // 2
        convert = av.AudioResampler(kind.sample_format, layout, kind.sr)
        for start in range(0, samples.shape[1], 4096):
            packed = samples[:, start : start + 4096].T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "flt", layout)
            frame.sample_rate, frame.pts, frame.time_base = kind.sr, start, Fraction(1, kind.sr)
            for converted in convert.resample(frame):
                out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``made(suffix, signal)``: a stereo file of that format, encoded once a session."""
    folder = tmp_path_factory.mktemp("audio")

    def make(suffix: str, signal: Callable[..., Samples] = noise, **options: Any) -> Path:
        path = folder / f"{signal.__name__}{''.join(map(str, options.values()))}.{suffix}"
        if not path.exists():
            kind = FORMATS[suffix]
            encode(path, signal(**options, sr=kind.sr), kind)
        return path

    return make


def spectrum_peak(samples: Samples, sr: int = 16_000) -> float:
    """Frequency of the strongest partial, in Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(np.argmax(power) * sr / (8 * len(samples)))


def lag(a: Samples, b: Samples, reach: int = 3000) -> int:
    """By how many samples ``b`` comes later than ``a``."""
    middle = len(a) // 2
    probe = a[middle - 8000 : middle + 8000]
    around = b[middle - 8000 - reach : middle + 8000 + reach]
    return int(np.argmax(np.correlate(around, probe, "valid"))) - reach


def middle(samples: Samples) -> Samples:
    return samples[len(samples) // 4 : 3 * len(samples) // 4]


def decode(source: Any, sr: int = 16_000, **options: Any) -> tuple[Samples, Any]:
    with open_audio(source, sr, **options) as audio:
        return np.concatenate(list(audio.blocks())), audio


# Formats


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_sine_keeps_length_pitch_and_level_in_every_format(
    suffix: str, made: Callable[..., Path]
) -> None:
    samples, audio = decode(made(suffix, sine, frequency=440.0))
    assert samples.dtype == np.float32
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.05)
    assert audio.decoded_s == pytest.approx(len(samples) / 16_000)
    assert audio.duration_s == pytest.approx(SECONDS, abs=0.15)
    assert audio.problem is None
    assert spectrum_peak(middle(samples)) == pytest.approx(440.0, abs=0.5)
    assert np.std(middle(samples)) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)  # LAME: 0.95


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_the_samples_back(suffix: str, made: Callable[..., Path]) -> None:
    samples, _ = decode(made(suffix), sr=44_100)
    np.testing.assert_allclose(samples, noise()[0], atol=1.01 / 2**15)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "m4a", "webm"])
def test_the_delay_of_the_encoder_is_removed(suffix: str, made: Callable[..., Path]) -> None:
    sr = FORMATS[suffix].sr
    samples, _ = decode(made(suffix), sr=sr)
    assert lag(noise(sr=sr)[0], samples) == 0


@pytest.mark.parametrize("sr", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 96_000, 192_000])
def test_every_rate_becomes_16_khz(sr: int, tmp_path: Path) -> None:
    path = encode(tmp_path / "x.wav", sine(1000.0, sr=sr), Format("pcm_s24le", "s32", sr))
    samples = read_samples(path)
    assert abs(len(samples) - SECONDS * 16_000) <= 1
    assert spectrum_peak(middle(samples)) == pytest.approx(1000.0, abs=0.5)
    assert np.std(middle(samples)) == pytest.approx(0.5 / np.sqrt(2), rel=0.001)


def test_frequencies_above_8_khz_are_removed(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.wav", sine(9000.0), FORMATS["s24.wav"])
    assert np.std(middle(read_samples(path))) < 1e-4


@pytest.mark.parametrize("suffix", ["u8.wav", "wav", "f32.wav", "f64.wav", "s64.w64", "wv", "m4a"])
def test_eight_channels_are_averaged(suffix: str, tmp_path: Path) -> None:
    tones = np.concatenate([sine(200.0 + 100 * i, sr=48_000, n_channels=1) for i in range(8)])
    path = encode(tmp_path / f"x.{suffix}", tones, FORMATS[suffix]._replace(sr=48_000))
    samples = middle(read_samples(path))
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    strongest = np.argsort(power)[::-1] * 16_000 / len(samples)
    n_heard = len({round(f, -2) for f in strongest[:24]} & {200.0 + 100 * i for i in range(8)})
    assert n_heard >= 7  # AAC takes the low-frequency channel for a subwoofer
    if suffix != "m4a":
        assert np.std(samples) == pytest.approx(0.5 / np.sqrt(2) / np.sqrt(8), rel=0.01)


def test_the_first_audio_stream_of_a_video_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    write_video(path, sine(440.0))
    samples, audio = decode(path)
    assert audio.problem is None
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.05)
    assert spectrum_peak(middle(samples)) == pytest.approx(440.0, abs=0.5)


def test_audio_shorter_than_its_video_is_complete(tmp_path: Path) -> None:
    write_video(tmp_path / "x.mkv", sine(440.0, 1.0))
    samples, audio = decode(tmp_path / "x.mkv")
    assert len(samples) / 16_000 == pytest.approx(1.0, abs=0.05)
    assert audio.duration_s == pytest.approx(SECONDS, abs=0.05)
    assert audio.problem is None


def write_video(path: Path, samples: Samples | None) -> None:
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = out.add_stream("aac", rate=44_100, layout="stereo") if samples is not None else None
        for i in range(30):
            picture = np.full((64, 64, 3), 8 * i, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        if samples is not None and audio is not None:
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
            frame.sample_rate, frame.pts = 44_100, 0
            for whole in av.AudioResampler("fltp", "stereo", 44_100, 1024).resample(frame):
                out.mux(audio.encode(whole))
            out.mux(audio.encode(None))
        out.mux(video.encode(None))


def test_cover_art_is_ignored(made: Callable[..., Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(made("mp3"), tmp_path))
    tags = ID3(path)
    png = b"\x89PNG\r\n\x1a\n" + bytes(3000)  # and a broken one
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="cover", data=png))
    tags.save(path)
    samples, audio = decode(path)
    np.testing.assert_array_equal(samples, read_samples(made("mp3")))
    assert audio.problem is None


# Changes in mid-stream


def test_a_chain_of_ogg_streams_of_different_rates_and_channels(tmp_path: Path) -> None:
    links = [
        encode(tmp_path / "a.ogg", sine(440.0), FORMATS["ogg"]),
        encode(tmp_path / "b.opus", sine(880.0, 2.0, 48_000, 1), FORMATS["opus"]),
        encode(tmp_path / "c.ogg", sine(660.0, 2.0, 22_050), FORMATS["ogg"]._replace(sr=22_050)),
    ]
    chain = b"".join(link.read_bytes() for link in links)
    samples, audio = decode(chain)
    assert audio.decoded_s == pytest.approx(7.0, abs=0.01)
    assert audio.problem is None
    tones = [spectrum_peak(samples[16_000 * s : 16_000 * (s + 1)]) for s in (1, 3, 5)]
    assert tones == pytest.approx([440.0, 880.0, 660.0], abs=0.5)
    assert content_id(chain) not in {content_id(link) for link in links}

    later, _ = decode(chain, start_s=3.5)
    assert len(later) == pytest.approx(3.5 * 16_000, abs=160)
    assert spectrum_peak(later[:16_000]) == pytest.approx(880.0, abs=0.5)


def test_a_broken_link_of_a_chain_does_not_stop_the_others(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.ogg", sine(440.0), FORMATS["ogg"]).read_bytes()
    other = encode(tmp_path / "b.opus", sine(880.0, sr=48_000), FORMATS["opus"]).read_bytes()
    broken = other.replace(b"OpusHead", b"OpusDead")
    samples, audio = decode(whole + broken)
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.01)
    assert audio.problem is not None and audio.problem.startswith("decoded 3.0 s (")


def test_an_mp3_that_changes_its_rate(tmp_path: Path) -> None:
    fast = encode(tmp_path / "a.mp3", sine(440.0), FORMATS["mp3"])
    slow = FORMATS["mp3"]._replace(sr=22_050)
    encode(tmp_path / "b.mp3", sine(880.0, sr=22_050, n_channels=1), slow)
    samples, audio = decode(fast.read_bytes() + (tmp_path / "b.mp3").read_bytes())
    assert audio.decoded_s == pytest.approx(6.0, abs=0.15)
    assert spectrum_peak(samples[16_000:32_000]) == pytest.approx(440.0, abs=0.5)
    assert spectrum_peak(samples[64_000:80_000]) == pytest.approx(880.0, abs=0.5)


def test_a_second_stream_that_appears_later_is_ignored(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", sine(440.0), FORMATS["m4a"])
    second = encode(tmp_path / "b.ts", sine(880.0), FORMATS["m4a"], mpegts_start_pid="512")
    samples, _ = decode(first.read_bytes() + second.read_bytes())
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.05)
    assert spectrum_peak(middle(samples)) == pytest.approx(440.0, abs=0.5)


# Blocks and positions


@pytest.mark.parametrize("block_s", [0.1, 0.37, 1.0, 10.0])
def test_blocks_are_the_samples_in_equal_pieces(block_s: float, made: Callable[..., Path]) -> None:
    with open_audio(made("ogg")) as audio:
        blocks = list(audio.blocks(block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * 16_000)}
    assert 0 < len(blocks[-1]) <= round(block_s * 16_000)
    np.testing.assert_array_equal(np.concatenate(blocks), read_samples(made("ogg")))


@pytest.mark.parametrize("start_s", [0.01, 0.1234, 0.9, 2.3456])
@pytest.mark.parametrize("suffix", FORMATS)
def test_start_s_is_exact_to_the_sample(
    suffix: str, start_s: float, made: Callable[..., Path]
) -> None:
    sr = FORMATS[suffix].sr
    whole = read_samples(made(suffix), sr)
    part, _ = decode(made(suffix), sr, start_s=start_s)
    rounding = round(0.001 * sr) if suffix in ("wma", "webm") else 0  # time stamps of 1 ms
    assert abs(len(whole) - round(start_s * sr) - len(part)) <= rounding
    expected = whole[len(whole) - len(part) :]
    error = np.std(expected[2000:] - part[2000:]) / np.std(expected)
    assert error < (0.3 if suffix in ("aac", "m4a") else 0.01)  # AAC fills with noise of its own


def test_start_s_in_a_file_of_variable_bit_rate(tmp_path: Path) -> None:
    path = variable_mp3(tmp_path)
    whole = read_samples(path, 44_100)
    part, _ = decode(path, 44_100, start_s=7.7)
    np.testing.assert_allclose(part[4000:], whole[round(7.7 * 44_100) + 4000 :], atol=1e-4)


def variable_mp3(folder: Path) -> Path:
    """Ten seconds, half of them near silence, without a header that says how many frames."""
    samples = noise(10.0) * np.where(np.arange(441_000) < 220_500, np.float32(0.001), 1)
    kind = Format("libmp3lame", "fltp", options={"flags": "+qscale", "global_quality": "472"})
    return encode(folder / "variable.mp3", samples, kind, write_xing="0")


def test_a_file_that_cannot_seek_is_decoded_from_its_beginning(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = decode(made("ogg"), start_s=2.0)
    monkeypatch.setattr(EncodedStream, "seek", lambda *_: False)
    samples, audio = decode(made("ogg"), start_s=2.0)
    np.testing.assert_allclose(samples, expected, atol=1e-5)
    assert audio.problem is None


def test_a_start_after_the_end_is_an_error(made: Callable[..., Path]) -> None:
    with pytest.raises(AudioError, match=r"flac: no sample at or after 60 s"):
        decode(made("flac"), start_s=60.0)


@pytest.mark.parametrize("start_s", [-1.0, float("nan"), float("inf")])
def test_a_negative_or_infinite_start_is_wrong_usage(
    start_s: float, made: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="start_s"):
        open_audio(made("flac"), start_s=start_s)


def test_an_hour_needs_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    process = psutil.Process()

    def max_bytes(seconds: int) -> int:
        """The most memory that the process has at any block."""
        n = most = 0
        with open_audio(sparse_wav(tmp_path / "long.wav", 8000 * seconds)) as audio:
            for block in audio.blocks():
                n += len(block)
                most = max(most, process.memory_info().rss)
        assert n == 16_000 * seconds
        return most

    a_minute = max_bytes(60)
    assert max_bytes(3600) - a_minute < 16_000_000  # the samples alone are 230,000,000


def sparse_wav(path: Path, n: int) -> Path:
    """8 kHz, 8 bit, on a disk that stores no zeros."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + n, b"WAVE") + fmt)
        file.write(struct.pack("<4sI", b"data", n))
        file.truncate(44 + n)
    return path


# Sources


def test_all_kinds_of_source_give_the_same_samples(made: Callable[..., Path]) -> None:
    path = made("m4a")
    expected = read_samples(path)
    with path.open("rb") as file:
        for source in (str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), file):
            np.testing.assert_array_equal(read_samples(source), expected)
        assert not file.closed


def test_a_pipe_is_read_even_if_the_format_needs_to_seek(made: Callable[..., Path]) -> None:
    data = made("m4a").read_bytes()  # its index lies at the end
    receiver, sender = os.pipe()

    def send() -> None:
        with os.fdopen(sender, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(receiver, "rb") as pipe:
        samples, audio = decode(pipe)
    thread.join()
    np.testing.assert_array_equal(samples, read_samples(data))
    assert audio.name == "<stream>"


def test_a_file_object_is_read_from_its_position(made: Callable[..., Path]) -> None:
    file = io.BytesIO(b"HTTP header\r\n\r\n" + made("flac").read_bytes())
    file.seek(15)
    np.testing.assert_array_equal(read_samples(file), read_samples(made("flac")))


def test_a_text_file_object_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("no sound")
    with (tmp_path / "x.txt").open() as file, pytest.raises(UsageError, match="'rb'"):
        open_audio(file)  # type: ignore[arg-type]


def test_the_name_of_each_kind_of_source(made: Callable[..., Path]) -> None:
    def name_of(source: Any, name: str | None = None) -> str:
        with open_audio(source, name=name) as audio:
            return audio.name

    path = made("flac")
    with path.open("rb") as file:
        assert [name_of(source) for source in (path, str(path), file)] == [str(path)] * 3
    assert name_of(path.read_bytes()) == "<bytes>"
    assert name_of((np.ones(100, np.float32), 8000)) == "<samples>"
    assert name_of(path, "upload.flac") == "upload.flac"


@pytest.mark.parametrize("name", ["a\nb.flac", "🎵 mañana.flac", os.fsdecode(b"caf\xe9.flac")])
def test_any_name_that_the_disk_holds(name: str, made: Callable[..., Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(made("flac"), tmp_path / name))
    np.testing.assert_array_equal(read_samples(path), read_samples(made("flac")))
    with open_audio(path) as audio:
        assert "\n" not in audio.name
        assert audio.name.encode("utf-8")  # printable on any terminal
    assert content_id(path) == content_id(made("flac"))


SCALES = [("int16", 2**15, 0), ("int32", 2**31, 0), ("int8", 2**7, 0), ("uint8", 2**7, 128)]


@pytest.mark.parametrize(("dtype", "scale", "silence"), SCALES)
def test_integer_samples_are_scaled_by_their_type(dtype: str, scale: int, silence: int) -> None:
    x = sine(440.0, sr=16_000, n_channels=1)[0].astype(np.float64)
    samples = read_samples(((x * scale + silence).round().astype(dtype), 16_000))
    np.testing.assert_allclose(samples, x, atol=0.51 / min(scale, 2**24))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_samples_of_several_channels(dtype: str) -> None:
    x = np.stack([sine(440.0)[0], np.zeros(132_300), np.zeros(132_300)]).astype(dtype)
    samples, audio = decode((x, 44_100))
    assert len(samples) == SECONDS * 16_000
    assert audio.duration_s == SECONDS
    assert audio.problem is None
    assert np.std(middle(samples)) == pytest.approx(0.5 / np.sqrt(2) / 3, rel=0.001)


def test_samples_can_be_read_from_a_start() -> None:
    x = noise(sr=16_000)
    samples, audio = decode((x, 16_000), start_s=1.25)
    np.testing.assert_allclose(samples, x[0, 20_000:], atol=1e-6)
    assert audio.problem is None


NO_SAMPLES: list[tuple[Any, int, str]] = [
    (np.empty(0, np.float32), 8000, "empty"),
    (np.empty((2, 0), np.float32), 8000, "empty"),
    (np.zeros((8000, 2), np.float32), 8000, "transpose"),
    (np.zeros((2, 2, 100), np.float32), 8000, r"\(2, 2, 100\)"),
    (np.zeros(100, np.int64), 8000, "int64.*convert"),
    (np.zeros(100, np.complex64), 8000, "complex64"),
    (np.zeros(100, np.float32), 0, "0 Hz is no sampling rate"),
]


@pytest.mark.parametrize(("samples", "sr", "message"), NO_SAMPLES)
def test_arrays_that_cannot_be_audio_are_refused(samples: Any, sr: int, message: str) -> None:
    with pytest.raises(AudioError, match=f"^<samples>: .*{message}"):
        open_audio((samples, sr))


# Damaged input


NO_AUDIO: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"x", "not audio"),
    (b"Dear diary,\n" * 500, "not audio"),
    (bytes(50_000), "not audio|no sample"),
    (np.random.default_rng(1).bytes(50_000), "not audio|no sample"),
    (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(99), "not audio"),
    (b"RIFF\xff\xff\xff\xffWAVE", "not audio"),
]


@pytest.mark.parametrize(("data", "message"), NO_AUDIO)
def test_data_without_audio_gives_a_one_line_error(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=f"^clip: ({message})") as raised:
        decode(data, name="clip")
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_opened_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AudioError, match=r"no\.wav: no such file"):
        open_audio(tmp_path / "no.wav")
    with pytest.raises(AudioError, match=f"{tmp_path.name}: a folder"):
        open_audio(tmp_path)
    with pytest.raises(AudioError, match=r"a\\x00b: no file can have this name"):
        open_audio("a\0b")

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)  # root may read everything
    with pytest.raises(AudioError, match=r"x\.wav: no permission"):
        open_audio(tmp_path / "x.wav")


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "x.mp4", None)
    for use in (decode, content_id):
        with pytest.raises(
            AudioError, match=r"x\.mp4: no audio stream \(a video without sound\?\)"
        ):
            use(tmp_path / "x.mp4")


def test_a_wav_of_a_header_alone_has_no_sample(made: Callable[..., Path]) -> None:
    head = made("wav").read_bytes()
    data = head[: head.index(b"data") + 8]
    with pytest.raises(AudioError, match=r"clip: (no sample|not audio)"):
        decode(data, name="clip")


@pytest.mark.parametrize("sr", [1, 100, 50_000_000])
def test_absurd_sampling_rates_are_refused(sr: int, made: Callable[..., Path]) -> None:
    data = bytearray(made("wav").read_bytes())
    data[24:28] = sr.to_bytes(4, "little")
    with pytest.raises(AudioError, match=f"clip: {sr} Hz is no sampling rate of audio"):
        decode(bytes(data), name="clip")


CUT = ["wav", "u8.wav", "s24.wav", "f32.wav", "aiff", "au", "flac", "mp3", "webm", "wv"]


@pytest.mark.parametrize("suffix", CUT)
def test_a_truncated_file_reports_how_much_was_read(suffix: str, made: Callable[..., Path]) -> None:
    data = made(suffix).read_bytes()
    samples, audio = decode(data[: len(data) * 6 // 10])
    assert 1.0 < len(samples) / 16_000 < 2.2
    assert audio.problem is not None
    assert audio.problem.startswith(f"decoded {audio.decoded_s:.1f} of 3.0 s (")


def test_a_truncated_stream_without_length_reports_its_last_frame(
    made: Callable[..., Path],
) -> None:
    data = made("aac").read_bytes()
    _, audio = decode(data[: len(data) * 6 // 10])
    reason = "Invalid data found when processing input"
    assert audio.problem == f"decoded {audio.decoded_s:.1f} s ({reason})"


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_a_truncated_ogg_file_is_detected_without_a_length(
    suffix: str, made: Callable[..., Path]
) -> None:
    data = made(suffix).read_bytes()
    _, audio = decode(data[: len(data) * 6 // 10])
    assert audio.problem == f"decoded {audio.decoded_s:.1f} s (the file ends inside an Ogg page)"


def test_an_mp4_without_its_index_is_an_error(made: Callable[..., Path]) -> None:
    data = made("m4a").read_bytes()
    with pytest.raises(AudioError, match="cut off"):
        decode(data[: len(data) // 2])


def test_decoding_continues_after_a_damaged_part(tmp_path: Path) -> None:
    tones = np.concatenate([sine(440.0), sine(880.0)], axis=1)
    for suffix in ("flac", "mp3", "ogg"):
        path = encode(tmp_path / f"x.{suffix}", tones + noise(6.0) / 10, FORMATS[suffix])
        data = bytearray(path.read_bytes())
        middle_of_file = len(data) // 3
        hole = np.random.default_rng(3).bytes(len(data) // 12)
        data[middle_of_file : middle_of_file + len(hole)] = hole
        samples, audio = decode(bytes(data))
        assert spectrum_peak(samples[:16_000]) == pytest.approx(440.0, abs=0.5)
        assert spectrum_peak(samples[-16_000:]) == pytest.approx(880.0, abs=0.5)
        assert audio.problem is not None, suffix
        assert "of 6.0 s" in audio.problem


@pytest.mark.parametrize("suffix", FORMATS)
def test_rubbish_after_the_end_is_no_damage(suffix: str, made: Callable[..., Path]) -> None:
    data = made(suffix).read_bytes()
    for rubbish in (b"TAG" + b"x" * 125, bytes(3000)):
        _, audio = decode(data + rubbish)
        assert audio.problem is None


@pytest.mark.parametrize(
    ("missing_s", "error", "problem"),
    [
        (0.010, "bad packet", None),  # rubbish behind the end; 10 ms are padding
        (0.030, "bad packet", "decoded 3.0 of 3.0 s (bad packet)"),
        (0.4, None, None),
        (0.6, None, "decoded 2.4 of 3.0 s (the rest is missing)"),
    ],
)
def test_how_much_may_be_missing_before_a_file_counts_as_damaged(
    missing_s: float, error: str | None, problem: str | None
) -> None:
    samples = np.zeros(round((3.0 - missing_s) * 16_000), np.float32)
    declared, damage = DeclaredDuration(3.0, reliable=True), Damage(error)
    with AudioReader("x", 16_000, 0.0, iter([samples]), declared, damage, ExitStack()) as audio:
        list(audio.blocks())
    assert audio.problem == problem


def test_a_guessed_length_raises_no_alarm(tmp_path: Path) -> None:
    samples, audio = decode(variable_mp3(tmp_path))
    assert audio.duration_s > 11  # a guess from the bit rate
    assert len(samples) / 16_000 == pytest.approx(10.0, abs=0.1)
    assert audio.problem is None


def test_a_wav_written_to_a_pipe_raises_no_alarm(made: Callable[..., Path]) -> None:
    data = bytearray(made("wav").read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    samples, audio = decode(bytes(data))
    assert len(samples) == SECONDS * 16_000
    assert audio.problem is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
def test_nan_and_infinity_become_silence_and_are_reported(bad: float, tmp_path: Path) -> None:
    x = noise(sr=16_000)
    x[0, 5000:5010] = bad
    path = encode(tmp_path / "x.wav", x, FORMATS["f32.wav"]._replace(sr=16_000))
    for source in (path, (x, 16_000)):
        samples, audio = decode(source)
        assert np.isfinite(samples).all()
        np.testing.assert_array_equal(samples[5000:5010], 0.0)
        np.testing.assert_allclose(samples[:5000], x[1, :5000], atol=1e-6)
        assert "decoded 3.0 of 3.0 s" in audio.problem and "10 samples" in audio.problem


def test_a_broken_tag_does_not_stop_decoding(made: Callable[..., Path]) -> None:
    sound = made("mp3").read_bytes()
    sound = sound[sound.index(b"\xff\xfb") :]
    text = b"\x03\xff\xfe\xc3 no UTF-8 \xe9\x00\x00"
    frames = [
        b"TIT2" + len(text).to_bytes(4, "big") + bytes(2) + text,
        b"TPE1" + b"\x7f\x7f\x7f\x7f" + bytes(2) + text,  # longer than the tag
    ]
    for frame in frames:
        tag = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(frame)]) + frame
        np.testing.assert_array_equal(read_samples(tag + sound), read_samples(sound))


def test_a_playlist_in_disguise_opens_no_other_file(made: Callable[..., Path]) -> None:
    path = made("wav")
    playlists = [
        f"ffconcat version 1.0\nfile {path.name}\n",
        f"ffconcat version 1.0\nfile file:{path}\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{path}\n#EXT-X-ENDLIST\n",
    ]
    for i, text in enumerate(playlists):
        disguised = path.parent / f"disguised{i}.mp3"
        disguised.write_text(text)
        for source in (disguised, text.encode()):
            with pytest.raises(AudioError):
                decode(source)


def test_neither_ffmpeg_nor_pyav_prints_anything(
    made: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(11)
    for suffix in FORMATS:
        data = bytearray(made(suffix).read_bytes())
        for at in rng.integers(0, 2000, 30):
            data[at] = rng.integers(256)
        with suppress(AudioError):
            decode(bytes(data))
    caf = bytearray(encode(tmp_path / "x.caf", noise(), FORMATS["wav"]).read_bytes())
    at = caf.index(b"info") + 4
    caf[at : at + 8] = struct.pack(">q", -200)  # sends FFmpeg to before the start of the file
    (tmp_path / "x.caf").write_bytes(caf)
    with pytest.raises(AudioError):
        decode(tmp_path / "x.caf")
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, derandomize=True)
@given(suffix=st.sampled_from(["wav", "flac", "mp3", "ogg", "opus", "m4a"]), data=st.data())
def test_no_damage_raises_anything_but_audio_error(
    suffix: str, data: st.DataObject, made: Callable[..., Path]
) -> None:
    damaged = bytearray(made(suffix).read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        samples, audio = decode(bytes(damaged))
    except AudioError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(samples).all()
        assert audio.decoded_s > 0


# Content ids


def add_tags(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text="title " * 500))
        file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=bytes(40_000)))
    else:
        file["\xa9nam" if "m4a" in path.name else "title"] = "title " * 500
    if hasattr(file, "add_picture"):
        cover = Picture()
        cover.data = bytes(40_000)
        file.add_picture(cover)
    file.save()


TAGGED = ["wav", "f32.wav", "aiff", "flac", "wv", "alac.m4a", "mp3", "ogg", "opus", "m4a", "wma"]


@pytest.mark.parametrize("suffix", TAGGED)
def test_tags_and_name_do_not_change_the_content_id(
    suffix: str, made: Callable[..., Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(made(suffix), tmp_path / f"other name.{suffix}"))
    original = content_id(made(suffix))
    add_tags(path)
    assert path.read_bytes() != made(suffix).read_bytes()
    assert content_id(path) == original
    file = mutagen.File(path)
    file.delete()
    assert content_id(path) == original
    if suffix not in ("m4a", "alac.m4a"):
        path.write_bytes(path.read_bytes() + b"TAG" + b"x" * 125)  # ID3v1, by some other program
        assert content_id(path) == original


def test_all_tags_that_an_mp3_can_carry(made: Callable[..., Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(made("mp3"), tmp_path))
    ape = APEv2()
    ape["Title"] = "behind"
    ape.save(path)
    ID3(path).save(path, v1=2)
    assert path.read_bytes()[-128:].startswith(b"TAG")
    assert content_id(path) == content_id(made("mp3"))


APPENDED = {
    "lyrics3": b"LYRICSBEGININD0000200LYR00005words" + b"000034" + b"LYRICS200",
    "id3v1": b"TAG" + b"x" * 125,
    "id3v2": b"ID3\4\0\0\0\0\0\x0a" + bytes(10),
}


def ape_tag(path: Path) -> None:
    tag = APEv2()
    tag["Title"] = "T" * 40
    tag.save(path)


@pytest.mark.parametrize("suffix", ["flac", "mp3", "wav"])
def test_a_tag_behind_the_audio_does_not_change_the_content_id(
    suffix: str, made: Callable[..., Path], tmp_path: Path
) -> None:
    original, kinds = made(suffix).read_bytes(), ["lyrics3", "id3v1", "id3v2"]
    expected = content_id(original)
    for kind in kinds:
        assert content_id(original + APPENDED[kind]) == expected, kind
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(original)
    ape_tag(path)
    assert content_id(path) == expected
    path.write_bytes(path.read_bytes() + APPENDED["id3v1"])
    assert content_id(path) == expected


@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("mp3", "mp3"), ("ogg", "vorbis")])
def test_how_the_audio_is_stored(suffix: str, codec: str, made: Callable[..., Path]) -> None:
    path = made(suffix)
    audio = read_content(path).audio
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (audio.codec, audio.sample_rate_hz, audio.channels) == (
            codec,
            stream.rate,
            stream.channels,
        )
    size_bits = 8 * path.stat().st_size
    assert audio.bit_rate is not None
    with open_audio(path) as opened:
        seconds = sum(map(len, opened.blocks())) / opened.sr
    assert 0.5 < audio.bit_rate * seconds / size_bits <= 1.1


def test_the_content_id_changes_with_the_audio(made: Callable[..., Path], tmp_path: Path) -> None:
    ids = {content_id(made(suffix)) for suffix in ("wav", "u8.wav", "flac", "mp3", "ogg", "opus")}
    assert len(ids) == 6
    assert all(len(content) == 32 and int(content, 16) for content in ids)
    data = bytearray(made("wav").read_bytes())
    data[-1000] ^= 1
    assert content_id(bytes(data)) not in ids
    slower = bytearray(made("wav").read_bytes())
    slower[24:28] = (22_050).to_bytes(4, "little")
    assert content_id(bytes(slower)) not in ids


def test_the_content_id_is_that_of_the_packets_not_of_their_container(
    made: Callable[..., Path],
) -> None:
    assert content_id(made("opus")) == content_id(made("webm"))


def decoded_here(source: Path | bytes, ahead: ReadAhead | None) -> tuple[Samples, Damage]:
    damage = Damage()
    with ExitStack() as resources:
        pieces, _ = decode_here(source, "x", 16_000, 0.0, damage, resources, ahead=ahead)
        return np.concatenate(list(pieces)), damage


# FFmpeg writes a tag behind the audio of WavPack.
@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != "wv"])
def test_a_file_is_read_once_for_its_content_id_and_its_sound(
    suffix: str, made: Callable[..., Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(made(suffix), tmp_path))
    expected, _ = decoded_here(path, None)
    with ReadAhead() as ahead:
        read_content(path, ahead)
        path.write_bytes(b"something else")
        samples, damage = decoded_here(path, ahead)
    np.testing.assert_array_equal(samples, expected)
    assert damage == Damage()


def matroska_with_large_additions(n_blocks: int) -> bytes:
    """PCM of 8 kHz, 0.1 s in each block, and beside each block a megabyte that is no sound."""

    def element(name: str, data: bytes) -> bytes:
        return bytes.fromhex(name) + (len(data) | 1 << 56).to_bytes(8, "big") + data

    def number(value: int) -> bytes:
        return value.to_bytes(4, "big")

    sound = element("B5", struct.pack(">d", 8000)) + element("9F", b"\x01")
    sound += element("6264", b"\x10")
    track = element("D7", b"\x01") + element("73C5", b"\x01") + element("83", b"\x02")
    track += element("86", b"A_PCM/INT/LIT") + element("55EE", number(1)) + element("E1", sound)
    parts = [
        element("1A45DFA3", element("4282", b"matroska") + element("4287", b"\x04")),
        bytes.fromhex("1853806701ffffffffffffff"),
        element("1549A966", element("2AD7B1", number(1_000_000))),
        element("1654AE6B", element("AE", track)),
    ]
    addition = element(
        "75A1", element("A6", element("EE", b"\x01") + element("A5", bytes(1 << 20)))
    )
    for number_of_block in range(n_blocks):
        block = element("A1", b"\x81\0\0\0" + bytes(range(1, 201)) * 8)
        start = element("E7", number(100 * number_of_block))
        parts.append(element("1F43B675", start + element("A0", block + addition)))
    return b"".join(parts)


@pytest.mark.parametrize(("n_blocks", "kept"), [(4, True), (70, False)])
def test_what_is_kept_in_memory_is_bounded(n_blocks: int, kept: bool) -> None:
    data = matroska_with_large_additions(n_blocks)
    with ReadAhead() as ahead:
        read_content(data, ahead)
        assert (ahead.take(Damage()) is not None) == kept


@pytest.mark.parametrize("kind", ["cut off", "tag at the end", "chain"])
def test_a_file_that_is_not_whole_and_plain_is_read_twice(
    kind: str, made: Callable[..., Path]
) -> None:
    flac, ogg = made("flac").read_bytes(), made("ogg").read_bytes()
    data = {
        "cut off": ogg[: len(ogg) // 2],
        "tag at the end": flac + APPENDED["id3v1"],
        "chain": ogg + ogg,
    }[kind]
    expected, damage = decoded_here(data, None)
    with ReadAhead() as ahead:
        read_content(data, ahead)
        samples, found = decoded_here(data, ahead)
    np.testing.assert_array_equal(samples, expected)
    assert found == damage


def test_the_content_id_of_any_source(made: Callable[..., Path]) -> None:
    path = made("flac")
    with path.open("rb") as file:
        assert content_id(path) == content_id(file) == content_id(path.read_bytes())
    x = noise(sr=8000)
    assert content_id((x, 8000)) == content_id((x.copy(), 8000))
    assert content_id((x, 8000)) != content_id((x, 8001))
    assert content_id((x, 8000)) != content_id((x[0], 8000))
    with pytest.raises(AudioError, match="not audio"):
        content_id(b"no audio")


def test_the_content_id_never_changes_between_versions() -> None:
    """What libraries hold stays valid; a change here is a change of the schema."""
    data = struct.pack("<4sI4s", b"RIFF", 40, b"WAVE")
    data += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    data += struct.pack("<4sI4h", b"data", 8, 1, -2, 3, -4)
    assert content_id(data) == "25ecd6a4e731402ac0f02c2b126d996b"


# Folders


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*paths: Path | str) -> tuple[list[Path], list[Problem]]:
    problems: list[Problem] = []
    return list(find_audio(paths, problems.append)), problems


def test_a_folder_is_searched_in_order_and_by_suffix(tmp_path: Path) -> None:
    names = ["b/2.ogg", "b/1.FLAC", "a/z.mp3", "c.mkv", "b/cover.jpg", "list.m3u8", "notes.txt"]
    touch(*(tmp_path / name for name in names))
    expected = [tmp_path / name for name in ("a/z.mp3", "b/1.FLAC", "b/2.ogg", "c.mkv")]
    assert found(tmp_path) == (expected, [])


def test_what_the_system_hides_is_left_out_unless_named(tmp_path: Path) -> None:
    hidden = [".trash/a.mp3", ".Trash-1000/a.mp3", ".git/a.mp3", ".AppleDouble/a.mp3", "._b.mp3"]
    touch(*(tmp_path / name for name in [*hidden, ".DS_Store", "c.mp3"]))
    assert found(tmp_path) == ([tmp_path / "c.mp3"], [])
    assert found(tmp_path / ".trash") == ([tmp_path / ".trash/a.mp3"], [])


def test_names_of_music_may_begin_with_dots(tmp_path: Path) -> None:
    names = ["...And Justice for All/1.mp3", ".5: The Gray Chapter/1.mp3", "..a.mp3", ".x.mp3"]
    touch(*(tmp_path / name for name in names))
    assert found(tmp_path)[0] == sorted(tmp_path / name for name in names)


def test_what_is_left_out_of_a_folder_is_told_by_kind(tmp_path: Path) -> None:
    names = ["1.mp3", "cover.JPG", "README", "a.b c", ".nomedia", ".git/x.mp3", "x/notes.txt"]
    touch(*(tmp_path / name for name in names))
    left_out = []
    list(find_audio([tmp_path], on_left_out=lambda *each: left_out.append(each)))
    assert {str(Path(path).relative_to(tmp_path)): kind for path, kind in left_out} == {
        "cover.JPG": ".jpg",
        "README": "other",
        "a.b c": "other",
        ".nomedia": "hidden",
        ".git": "hidden",
        "x/notes.txt": ".txt",
    }


def test_a_named_file_needs_no_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "clip", tmp_path / "x.txt")
    assert found(tmp_path / "x.txt", tmp_path / "clip")[0] == [
        tmp_path / "x.txt",
        tmp_path / "clip",
    ]


def test_links_are_followed_but_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path / "music/a.mp3", tmp_path / "elsewhere/b.mp3")
    (tmp_path / "music/loop").symlink_to(tmp_path / "music")
    (tmp_path / "music/other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music/self.mp3").symlink_to("self.mp3")
    (tmp_path / "music/gone.mp3").symlink_to("nowhere.mp3")
    paths, problems = found(tmp_path / "music")
    assert paths == [tmp_path / "music/a.mp3", tmp_path / "music/other/b.mp3"]
    assert [Path(problem.path).name for problem in problems] == ["gone.mp3", "self.mp3"]


def test_a_pipe_in_a_folder_is_reported_and_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "radio.mp3")
    paths, problems = found(tmp_path)
    assert paths == []
    assert "not a regular file" in problems[0].message


def test_missing_and_unreadable_paths_are_reported_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.mp3", tmp_path / "closed/b.mp3")
    scandir = os.scandir

    def guarded(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # root may read everything
    paths, problems = found(tmp_path / "no", "a\0b", "~no such user/x", tmp_path)
    assert paths == [tmp_path / "a.mp3"]
    assert [problem.path for problem in problems] == [
        str(tmp_path / "no"),
        "a\0b",
        "~no such user/x",
        str(tmp_path / "closed"),
    ]
    assert "no such file or folder" in problems[0].message
    assert "no permission" in problems[3].message
    assert list(find_audio([tmp_path / "no"])) == []


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path / "Music/a.mp3")
    assert found("~/Music")[0] == [tmp_path / "Music/a.mp3"]


def test_a_name_that_is_no_unicode_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp3")
    touch(tmp_path / name)
    assert found(tmp_path)[0] == [tmp_path / name]


def test_suffixes_are_lower_case_and_cover_what_people_have() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in AUDIO_SUFFIXES)
    common = {".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wav", ".aiff", ".wma", ".mp4", ".mkv"}
    assert common <= AUDIO_SUFFIXES


# Suffixes of FFmpeg's demuxers that are not searched for: pictures, text, video without sound,
# sound without a header, and suffixes that files of another kind have more often.
_NOT_MUSIC = """
    264 265 266 302 722 acm adf adp ads aix al ans apc apl apm apng apv aqt art asc ass aud avc
    avif avs avs2 avs3 bit bitpacked bmp bmv cavs cdata cdg cdxl cgi cif cpk cvg dat daud dav dif
    diz dnxhd dnxhr dpx drc dtk evc exr fap ffmeta fits flm fwse g723_1 g728 g729 gif h261 h263
    h264 h265 h266 h26l hdr heic heif hevc ice ico idf idx ifv im1 im24 im8 imx ipu ism ivf j2c
    j2k jls jp2 jpeg jpg js jss jxl jxs laf lbc ljpg lrc lvf m3u8 mac mca mcc mjpeg mjpg mks mods
    moflex mpl2 mpo musx mvi mxg nfo nsp obu pam pbm pcm pcx pdv pfm pgm pgmyuv phm pix pjs png
    ppm psp qcif qoi ras rco rcv rgb roq rs rsd rso rt sami sb sbg scc sdns sdr2 sdx ser sf sga
    sgi sln smi son srt ss2 ssa stl str sub sun sunras sup svs sw swf tco tga tif tiff tun txt ty+
    ub ul usm uw v v210 vb vbn vc1 vc2 vpk vt vtt vvc wa way wbmp webvtt xbm xface xl xmd xml xwd
    y y4m yop yuv yuv10
"""
NOT_SEARCHED_FOR = set(_NOT_MUSIC.split())


def test_every_suffix_of_ffmpeg_is_searched_for_or_left_out_on_purpose() -> None:
    suffixes = set()
    for name in av.formats_available:
        with suppress(ValueError):
            container = av.ContainerFormat(name)
            suffixes |= set(container.extensions) if container.is_input else set()
    assert len(suffixes) > 200
    known = {suffix.removeprefix(".") for suffix in AUDIO_SUFFIXES}
    assert suffixes - known - NOT_SEARCHED_FOR == set()
    assert not known & NOT_SEARCHED_FOR


# Writing


def test_a_written_wav_reads_back_clipped_at_full_scale(tmp_path: Path) -> None:
    x = 2 * noise(sr=22_050)[0] / 0.3
    write_wav(tmp_path / "x.wav", x, 22_050)
    samples, audio = decode(tmp_path / "x.wav", sr=22_050)
    np.testing.assert_allclose(samples, np.clip(x, -1, 1), atol=1.6 / 2**15)
    assert np.abs(x).max() > 1
    assert audio.duration_s == SECONDS
