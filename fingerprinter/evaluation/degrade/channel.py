"""Telephone lines and codecs. The encoders are FFmpeg's, in memory, through PyAV."""

from __future__ import annotations

import io

import av
import numpy as np
import soxr

from fingerprinter.audio import read_samples
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.degrade.levels import add_noise
from fingerprinter.evaluation.excerpt import SR, Samples

_LINE_HZ = (300.0, 3400.0)
_CLIPPED = (0.005, 0.03)  # share of the samples that are clipped
_LINE_SNR_DB = (15.0, 25.0)
_GSM_SR = 8_000


def telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    """A telephone line: 300 to 3400 Hz, some samples clipped, and noise.

    0.5 to 3 % of the samples are clipped. The signal-to-noise ratio is 15 to 25 dB.
    """
    line = _band_passed(samples)
    ceiling = np.quantile(np.abs(line), 1 - rng.uniform(*_CLIPPED))
    noise = _band_passed(rng.standard_normal(len(samples)).astype(np.float32))
    return add_noise(np.clip(line, -ceiling, ceiling), noise, rng.uniform(*_LINE_SNR_DB))


def _band_passed(samples: Samples) -> Samples:
    """Butterworth slopes of 24 dB an octave below and 36 dB above, without shift of phase."""
    low, high = _LINE_HZ
    frequencies = np.maximum(np.fft.rfftfreq(len(samples), 1 / SR), 1.0)
    gains = 1 / np.sqrt((1 + (low / frequencies) ** 8) * (1 + (frequencies / high) ** 12))
    return np.fft.irfft(np.fft.rfft(samples) * gains, len(samples)).astype(np.float32)


def gsm(samples: Samples) -> Samples:
    """A call between mobile phones: 8 kHz, AMR at 12.2 kbit/s.

    That mode of AMR is GSM's Enhanced Full Rate (3GPP TS 26.071). It also stands for the older Full
    Rate codec (GSM 06.10), for which PyAV's wheels have no encoder.
    """
    narrow = soxr.resample(samples, SR, _GSM_SR)
    return _coded(narrow, _GSM_SR, "libopencore_amrnb", "amr", 12_200)[: len(samples)]


def mp3(samples: Samples) -> Samples:
    """MP3 at 32 kbit/s, 16 kHz mono."""
    return _coded(samples, SR, "libmp3lame", "mp3", 32_000)[: len(samples)]


def _coded(samples: Samples, sr: int, codec: str, container: str, bit_rate: int) -> Samples:
    """Encode and decode; the container removes the codec's delay.

    Raises `UsageError` if FFmpeg was built without the encoder.
    """
    if codec not in av.codecs_available:
        raise UsageError(
            f"{codec}: FFmpeg has no such encoder here; install PyAV's wheel from PyPI,"
            f" or leave out the conditions that need {container}"
        )
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=sr, layout="mono", bit_rate=bit_rate)
        assert isinstance(stream, av.AudioStream)
        output.mux([*stream.encode(_frame(samples, sr)), *stream.encode(None)])
    return read_samples(file.getvalue(), SR)


def _frame(samples: Samples, sr: int) -> av.AudioFrame:
    """A frame below full scale, because integer encoders would clip."""
    peak = float(np.abs(samples).max(initial=0.0))
    level = samples * np.float32(0.9 / peak) if peak else samples
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(level)[None], "flt", "mono")
    frame.sample_rate = sr
    return frame
