"""Whole files that are put together in an unusual way are read as a player reads them.

Of damaged ones nothing moves, and what is lost is told.
"""

from __future__ import annotations

import io
import re

import av
import numpy as np
import pytest
from odd_files import SR, Samples, encoded, noise, opus, vorbis, with_headers_twice, with_id3v2

from fingerprinter.audio import content_id, open_audio, read_samples
from fingerprinter.audio.signal import Downmixer, downmix

SECONDS = 3.0


def read(data: bytes, start_s: float = 0.0) -> tuple[Samples, str | None]:
    """The samples at the rate of the file, and what is wrong with it."""
    with open_audio(data, SR, start_s=start_s, name="clip") as audio:
        return np.concatenate(list(audio.blocks())), audio.problem


def begin_s(samples: Samples, probe: Samples) -> float:
    """Where a part of the samples lies that is like another recording, in seconds."""
    n = 1 << (len(samples) + len(probe)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(samples, n) * np.conj(np.fft.rfft(probe, n)))
    return float(np.argmax(np.abs(likeness[: len(samples)])) / SR)


# Channels that cancel each other

NOISE = noise(SECONDS)
OTHER = noise(SECONDS, seed=1)
NOTHING = np.zeros_like(NOISE)


@pytest.mark.parametrize(
    "channels",
    [
        [NOISE, -NOISE],
        [NOISE, -NOISE + 0.01 * OTHER],
        [NOISE, -NOISE, NOTHING, NOTHING, OTHER, -OTHER],
    ],
    ids=["stereo", "nearly", "5.1"],
)
def test_sound_in_antiphase_is_heard(channels: list[Samples]) -> None:
    stereo = np.stack(channels)
    mono = read_samples((stereo, SR), SR)
    assert np.std(mono) > 0.9 * np.std(NOISE) * 2 / len(channels)
    assert abs(np.corrcoef(mono, NOISE)[0, 1]) > 0.65
    assert np.std(downmix(stereo)) < 0.02 * np.std(NOISE)  # what the average leaves of it


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float64])
def test_sound_in_antiphase_is_heard_in_samples_of_any_type(dtype: type) -> None:
    scale, silence = {np.uint8: (127, 128), np.int16: (2**15 - 1, 0), np.int32: (2**31 - 1, 0)}.get(
        dtype, (1, 0)
    )
    pair = (np.stack([NOISE, -NOISE]).astype(np.float64) * scale + silence).astype(dtype)
    np.testing.assert_allclose(read_samples((pair, SR), SR), NOISE, atol=0.02)


def test_an_mp3_in_antiphase_is_heard() -> None:
    data = encoded("mp3", "libmp3lame", np.stack([NOISE, -NOISE]), sample_format="fltp")
    samples, problem = read(data)
    assert problem is None
    assert np.corrcoef(samples[: len(NOISE)], NOISE[: len(samples)])[0, 1] > 0.95


@pytest.mark.parametrize("balance", [1.0, 0.5, 0.0, -0.5])
def test_ordinary_stereo_is_averaged_bit_for_bit(balance: float) -> None:
    stereo = np.stack([NOISE, balance * NOISE + 0.3 * OTHER])
    np.testing.assert_array_equal(Downmixer().push(stereo), downmix(stereo))


def test_where_the_polarity_changes_nothing_clicks() -> None:
    t = np.arange(4 * SR) / SR
    tone = np.cos(2 * np.pi * 100 * t).astype(np.float32)
    right = tone * np.interp(t, [1, 2], [1, -1]).astype(np.float32)
    downmixer = Downmixer()
    pieces = np.array_split(np.stack([tone, right]), 16, axis=1)
    mono = np.concatenate([downmixer.push(piece) for piece in pieces])
    assert np.abs(np.diff(mono)).max() < 0.015  # the tone itself moves by 0.013
    assert np.std(mono[3 * SR :]) == pytest.approx(np.std(tone), rel=0.01)


# A second decoder


def test_ogg_with_headers_a_second_time_is_read() -> None:
    plain = vorbis(NOISE)
    doubled = with_headers_twice(plain)
    with pytest.raises(av.FFmpegError):
        av.open(io.BytesIO(doubled))
    samples, problem = read(doubled)
    assert problem is None
    np.testing.assert_allclose(samples, read(plain)[0], atol=1e-5)
    later, _ = read(doubled, start_s=1.0)
    np.testing.assert_allclose(later, samples[SR:], atol=1e-5)


def test_the_content_id_of_what_only_the_second_decoder_reads() -> None:
    doubled = with_headers_twice(vorbis(NOISE))
    assert content_id(doubled) == content_id(bytes(bytearray(doubled)))
    assert content_id(doubled) != content_id(with_headers_twice(vorbis(OTHER)))


# What lies in front of and behind the sound

BEHIND_ID3 = [
    ("wav", "pcm_s16le", "s16"),
    ("aiff", "pcm_s16be", "s16"),
    ("au", "pcm_s16be", "s16"),
    ("caf", "pcm_s16le", "s16"),
    ("asf", "wmav2", "fltp"),
    ("wv", "wavpack", "s16p"),
    ("matroska", "flac", "s16"),
    ("ac3", "ac3", "fltp"),
    ("ogg", "libopus", "flt"),
    ("flac", "flac", "s16"),
    ("mp3", "libmp3lame", "fltp"),
]


@pytest.mark.parametrize(("container", "codec", "sample_format"), BEHIND_ID3)
def test_an_id3_tag_in_front_of_any_format_is_skipped(
    container: str, codec: str, sample_format: str
) -> None:
    plain = encoded(container, codec, NOISE, sample_format=sample_format)
    for size in (300, 100_000):
        tagged = with_id3v2(plain, size)
        samples, problem = read(tagged)
        assert problem is None
        np.testing.assert_array_equal(samples, read(plain)[0])
        assert content_id(tagged) == content_id(plain)


def test_padding_behind_ogg_is_no_missing_sound() -> None:
    plain = vorbis(NOISE)
    samples, problem = read(plain + bytes(200_000))
    assert problem is None
    np.testing.assert_array_equal(samples, read(plain)[0])
    assert content_id(plain + bytes(200_000)) == content_id(plain)


@pytest.mark.parametrize("jingle_sr", [22_050, SR])
def test_a_chain_that_ends_with_the_stream_it_began_with_is_whole(jingle_sr: int) -> None:
    jingle = vorbis(noise(1.0), sr=jingle_sr)
    show = vorbis(noise(2.0, seed=2))
    assert jingle[14:18] != show[14:18]  # their serial numbers
    with open_audio(jingle + show + jingle, SR) as audio:
        samples = np.concatenate(list(audio.blocks()))
    expected_s = 2 * SR / jingle_sr + 2.0
    assert audio.problem is None
    assert len(samples) / SR == pytest.approx(expected_s, abs=0.01)


def test_links_behind_a_damaged_page_of_a_chain_are_read() -> None:
    show = bytearray(vorbis(noise(2.0, seed=2)))
    show[len(show) // 2 : len(show) // 2 + 6000] = bytes(6000)
    with open_audio(vorbis(noise(1.0)) + show + opus(noise(1.0)), SR) as audio:
        samples = np.concatenate(list(audio.blocks()))
    assert begin_s(samples, noise(1.0)[: SR // 2]) in (
        pytest.approx(0.0, abs=0.01),
        pytest.approx(3.0, abs=0.1),
    )
    assert audio.decoded_s > 3.0


# Time stamps


def test_sound_behind_a_damaged_part_of_flac_stays_in_its_place() -> None:
    whole = noise(8.0)
    data = bytearray(encoded("flac", "flac", whole))
    data[len(data) // 4 : len(data) // 4 + 40_000] = bytes(40_000)
    samples, problem = read(bytes(data))
    assert len(samples) == len(whole)
    np.testing.assert_allclose(samples[-4 * SR :], whole[-4 * SR :], atol=1e-4)
    assert problem is not None
    assert re.fullmatch(
        r"decoded 6\.\d of 8\.0 s \(damaged; 1\.\d\d s replaced by silence\)", problem
    )
    later, _ = read(bytes(data), start_s=5.0)
    np.testing.assert_array_equal(later, samples[5 * SR :])


def test_a_lost_end_of_a_lossless_file_is_told_to_the_frame() -> None:
    data = encoded("flac", "flac", noise(8.0))
    _, problem = read(data[: -len(data) // 40])
    assert problem is not None


def test_sound_that_begins_later_than_its_video_has_the_position_that_a_player_shows() -> None:
    data = encoded("matroska", "flac", noise(2.0), at_s=1.5, video_s=SECONDS, sample_format="s16")
    samples, problem = read(data)
    assert problem is None
    assert begin_s(samples, noise(2.0)) == pytest.approx(1.5, abs=0.01)
    later, _ = read(data, start_s=2.0)
    np.testing.assert_allclose(later[:SR], samples[2 * SR : 3 * SR], atol=1e-3)


@pytest.mark.parametrize(
    ("container", "codec", "sample_format"),
    [("webm", "libopus", "flt"), ("ogg", "libopus", "flt"), ("matroska", "flac", "s16")],
)
def test_time_stamps_that_do_not_begin_at_0_are_no_missing_sound(
    container: str, codec: str, sample_format: str
) -> None:
    data = encoded(container, codec, NOISE, sample_format=sample_format, at_s=1000.0)
    samples, problem = read(data)
    assert problem is None
    assert len(samples) / SR == pytest.approx(SECONDS, abs=0.03)


def test_a_pause_between_time_stamps_is_silence_and_no_damage() -> None:
    samples, problem = read(encoded("matroska", "flac", NOISE, gap_s=2.0))
    assert problem is None
    assert len(samples) / SR == pytest.approx(SECONDS + 2.0, abs=0.01)
    assert begin_s(samples, NOISE[-SR:]) == pytest.approx(SECONDS + 1.0, abs=0.01)


@pytest.mark.parametrize("container", ["matroska", "ogg"])
def test_rounded_time_stamps_leave_no_gap(container: str) -> None:
    samples, problem = read(encoded(container, "flac", NOISE, gap_s=0.02))
    assert problem is None
    np.testing.assert_allclose(samples, NOISE, atol=1e-4)


def test_a_small_file_cannot_ask_for_hours_of_silence() -> None:
    links = [encoded("ogg", "libopus", NOISE, sample_format="flt", gap_s=400.0) for _ in range(4)]
    with open_audio(b"".join(links), 8000) as audio:
        for _ in audio.blocks():
            pass
    assert 400 < audio.decoded_s < 700


def test_the_default_sound_track_counts() -> None:
    for default in (0, 1):
        data = encoded("matroska", "flac", NOISE, OTHER, default=default)
        np.testing.assert_allclose(read(data)[0], (NOISE, OTHER)[default], atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_damage_never_moves_what_follows(suffix: str, seed: int) -> None:
    whole = noise(6.0)
    data = bytearray(vorbis(whole) if suffix == "ogg" else encoded("flac", "flac", whole))
    at = int(np.random.default_rng(seed).integers(len(data) // 5, len(data) // 2))
    data[at : at + 9000] = bytes(9000)
    samples, problem = read(bytes(data))
    assert begin_s(samples, whole[-SR:]) == pytest.approx(5.0, abs=0.01)
    assert problem is not None
