"""Turn decoded audio into mono float32 at one rate: downmix, resampling, cutting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.damage import Damage
from fingerprinter.audio.limits import process_guard

Mono = npt.NDArray[np.float32]
"""Mono samples, (n,) float32 of full scale 1."""

OnChannels = Callable[[npt.NDArray[np.float32], int], None]
"""Receives all channels, (channels, n) float32 of full scale 1, and their rate in Hz."""

# 0.7 s of CD audio, the fastest of the sizes measured: larger chunks do not fit into the cache,
# smaller ones need more calls.
CHUNK_SAMPLES = 32_768

# Rates of audio in Hz. A damaged or hostile header that says 1 Hz would turn the bytes of one
# second into hours.
MIN_SR, MAX_SR = 1_000, 768_000

# A sample beyond the full scale of any integer type is damage. Its power would overflow float32.
_MAX_SAMPLE = 2.0**31

# Power of the sum of the channels, relative to unrelated channels of the same power: below -10 dB
# they cancel, and from -6 dB on they do not. Below -70 dB of full scale there is nothing to hear.
_CANCELLED, _RESTORED = 0.1, 0.25
_MIN_POWER = 1e-7
_FADE_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of mono samples at its own rate.

    Parameters
    ----------
    samples : (n,) float32 array
        The samples, of full scale 1.
    sr : int
        Their rate in Hz.
    """

    samples: Mono
    sr: int


def downmix(samples: npt.NDArray[Any]) -> Mono:
    """Average the channels.

    Parameters
    ----------
    samples : (channels, n) array
        Float samples of full scale 1, or integers of the full scale of their type.

    Returns
    -------
    (n,) float32 array
        Mono samples of full scale 1.

    Notes
    -----
    A dot product with weights is 40 times as fast as ``mean`` over interleaved stereo.

    Examples
    --------
    >>> downmix(np.array([[0, 16384], [16384, 16384]], np.int16)).tolist()
    [0.25, 0.5]
    """
    scale, middle = _full_scale(samples.dtype)
    weights = np.full(len(samples), 1 / (len(samples) * scale), np.float32)
    with np.errstate(all="ignore"):  # damaged float files; see silence_damage
        mono = weights @ samples.astype(np.float32, copy=False)
    return mono - np.float32(middle) if middle else mono


class Downmixer:
    """Downmixes a stream of samples: the average of the channels, unless they cancel in it.

    In antiphase stereo the right channel is the left one with its polarity inverted, and the
    average is silence. Where the average of a stretch is more than 10 dB weaker than that of
    unrelated channels would be, each channel that works against those before it is inverted: of
    stereo, the side signal remains. The decision holds until the average has lost less than 6 dB,
    and signals of different polarity are cross-faded.
    """

    def __init__(self) -> None:
        self._signs: npt.NDArray[np.float32] | None = None  # polarity that each channel gets

    def push(self, samples: npt.NDArray[Any]) -> Mono:
        """Downmix a stretch.

        Parameters
        ----------
        samples : (channels, n) array
            What `downmix` takes; a stretch of about a second.

        Returns
        -------
        (n,) float32 array
            Exactly the result of `downmix` where the channels do not cancel.

        Examples
        --------
        >>> left = np.full(4, 0.5, np.float32)
        >>> Downmixer().push(np.stack([left, -left])).tolist()
        [0.5, 0.5, 0.5, 0.5]
        """
        average = downmix(samples)
        before, signs = self._signs, self._choose_signs(samples, average)
        self._signs = signs
        changed = before is not None and not np.array_equal(before, signs)
        if not changed and (signs > 0).all():
            return average
        floats = as_floats(samples)
        n_channels, n = floats.shape
        mono: Mono = (signs / n_channels) @ floats
        if changed and before is not None and len(before) == n_channels:
            n_fade = min(n, _FADE_SAMPLES)
            ramp = np.linspace(0, 1, n_fade, dtype=np.float32)
            mono[:n_fade] *= ramp
            mono[:n_fade] += (1 - ramp) * ((before / n_channels) @ floats[:, :n_fade])
        return mono

    def _choose_signs(self, samples: npt.NDArray[Any], average: Mono) -> npt.NDArray[np.float32]:
        """Return the polarity that each channel gets, (channels,): 1 or -1."""
        n_channels, n = samples.shape
        signs = np.ones(n_channels, np.float32)
        if n_channels == 1 or not n:
            return signs
        scale, middle = _full_scale(samples.dtype)
        with np.errstate(all="ignore"):  # damaged float files; see silence_damage
            floats = samples.astype(np.float32, copy=False)
            floats = floats - np.float32(middle * scale) if middle else floats
            power = _energy(floats) / np.float32(n * scale**2)  # of all channels
            # 1 for channels that have nothing in common
            kept = _energy(average) * np.float32(n_channels**2 / n) / power
        inverted = self._signs is not None and bool((self._signs < 0).any())
        cancelled = kept < (_RESTORED if inverted else _CANCELLED)
        if cancelled and power > _MIN_POWER * n_channels:
            products = floats @ floats.T
            for i in range(1, n_channels):
                signs[i] = -1 if signs[:i] @ products[:i, i] < 0 else 1
        return signs


def as_floats(samples: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Convert samples of any type to float32 of full scale 1; damaged samples become 0.

    Parameters
    ----------
    samples : (channels, n) array
        Float samples of full scale 1, or integers of the full scale of their type.

    Returns
    -------
    (channels, n) float32 array
    """
    scale, middle = _full_scale(samples.dtype)
    floats = samples.astype(np.float32) * np.float32(1 / scale) - np.float32(middle)
    silence_damage(floats)
    return floats


def _energy(samples: npt.NDArray[np.float32]) -> np.float32:
    """Return the sum of the squares; a dot product takes half of the time of a search for the
    greatest sample.
    """
    flat = samples.ravel(order="K")
    return np.float32(flat @ flat)


def _full_scale(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the step from silence to full scale, and the value of silence in units of it."""
    if dtype.kind == "f":
        return 1.0, 0.0
    scale = 2.0 ** (8 * dtype.itemsize - 1)
    return scale, 1.0 if dtype.kind == "u" else 0.0


def silence_damage(samples: npt.NDArray[np.float32]) -> int:
    """Set NaN, infinite and absurdly large samples to 0, in place.

    Returns
    -------
    int
        The number of samples that were set to 0.

    Examples
    --------
    >>> samples = np.array([0.5, np.nan, np.inf], np.float32)
    >>> silence_damage(samples), samples.tolist()
    (2, [0.5, 0.0, 0.0])
    """
    with np.errstate(all="ignore"):
        if _energy(samples) <= _MAX_SAMPLE:  # then no sample is greater; False for NaN too
            return 0
        damaged = ~(np.abs(samples) <= _MAX_SAMPLE)
    samples[damaged] = 0.0
    return int(np.count_nonzero(damaged))


def mono_chunk(
    samples: npt.NDArray[Any],
    sr: int,
    downmixer: Downmixer,
    damage: Damage,
    on_channels: OnChannels | None = None,
) -> Chunk:
    """Mix samples down to a mono chunk.

    Parameters
    ----------
    samples : (channels, n) array
        Samples of any type that audio has.
    sr : int
        Their rate in Hz.
    downmixer : Downmixer
        That of the stream, which decides what the channels become.
    damage : Damage
        Counts the samples that were replaced by silence: NaN, infinite and absurd ones.
    on_channels : callable, optional
        Receives the channels, (channels, n) float32, and their rate before the downmix.
    """
    if guard := process_guard():
        guard.audio_s += samples.shape[1] / sr
    if on_channels:
        on_channels(as_floats(samples), sr)
    mono = downmixer.push(samples)
    damage.silenced += silence_damage(mono)
    return Chunk(mono, sr)


def drop(chunks: Iterable[Chunk], seconds: float) -> Iterator[Chunk]:
    """Yield the chunks without their first seconds, exact to the sample."""
    for chunk in chunks:
        n = min(len(chunk.samples), round(seconds * chunk.sr))
        seconds -= n / chunk.sr
        if n < len(chunk.samples):
            yield Chunk(chunk.samples[n:], chunk.sr)


def drop_channels(on_channels: OnChannels, seconds: float) -> OnChannels:
    """Return a receiver that passes channels on without their first seconds, as `drop` does."""

    def receive(channels: npt.NDArray[np.float32], sr: int) -> None:
        nonlocal seconds
        n = min(channels.shape[1], round(seconds * sr))
        seconds -= n / sr
        if n < channels.shape[1]:
            on_channels(channels[:, n:], sr)

    return receive


def resample(chunks: Iterable[Chunk], sr: int) -> Iterator[Mono]:
    """Yield the samples of chunks at one rate.

    Where the rate of the chunks changes, the resampler is flushed and a new one starts.

    Parameters
    ----------
    chunks : iterable of Chunk
        Samples of any rate.
    sr : int
        Rate of the result in Hz.

    Yields
    ------
    (n,) float32 array
    """
    for rate, run in groupby(chunks, key=attrgetter("sr")):
        if rate == sr:
            yield from map(attrgetter("samples"), run)
            continue
        import soxr  # most commands resample nothing, and loading it takes 25 ms

        resampler = soxr.ResampleStream(rate, sr, 1, dtype="float32", quality="HQ")
        for chunk in run:
            yield resampler.resample_chunk(chunk.samples)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def equal_blocks(pieces: Iterable[Mono], size: int) -> Iterator[Mono]:
    """Cut pieces of any length into blocks of ``size`` samples; only the last may be shorter.

    >>> [len(block) for block in equal_blocks([np.zeros(5, np.float32)] * 2, 4)]
    [4, 4, 2]
    """
    block, filled = np.empty(size, np.float32), 0
    for piece in pieces:
        while len(piece):
            n = min(len(piece), size - filled)
            block[filled : filled + n] = piece[:n]
            piece, filled = piece[n:], filled + n
            if filled == size:
                yield block
                block, filled = np.empty(size, np.float32), 0
    if filled:
        yield block[:filled]
