"""Rooms: early reflections by image sources [1]_, then a diffuse decay.

.. [1] J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room
   acoustics", JASA 65, 1979.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.evaluation.excerpt import SR, Samples

AnyFloats = npt.NDArray[np.floating[Any]]

_SOUND_M_S = 343.0
_RT60_S = (0.3, 0.9)
_SIZES_M = ((3.0, 10.0), (3.0, 8.0), (2.4, 4.0))  # length, width, height
_WALL_M = 0.4  # least distance of source and microphone from a wall
_ORDER = 3  # repetitions of the room on each side: 14 m, all that arrives within _EARLY_S
_EARLY_S = 0.04  # later reflections are too dense to be told apart
_RATIO_DB = (-6.0, 3.0)  # direct to reverberant energy
# Furniture and air absorb high frequencies more: decay time relative to RT60, by octave.
_DECAY_HZ = (0.0, 500.0, 1000.0, 2000.0, 4000.0, 8001.0)
_DECAY = (1.1, 1.0, 0.9, 0.75, 0.5)


def reverberated(samples: Samples, rng: np.random.Generator) -> Samples:
    """The samples as they sound in a random room; length and start are kept.

    RT60 is 0.3 to 0.9 s. The direct sound lies 6 dB below to 3 dB above all reflections together.
    """
    response = room_response(rng.uniform(*_RT60_S), rng.uniform(*_RATIO_DB), rng)
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def room_response(rt60_s: float, ratio_db: float, rng: np.random.Generator) -> AnyFloats:
    """The impulse response of a random room.

    Parameters
    ----------
    rt60_s
        Time in which 1 kHz decays by 60 dB.
    ratio_db
        Direct to reverberant energy.
    rng
        Decides size of the room and places in it.

    Returns
    -------
    (n,) float64
        At 16 kHz. The direct sound is the first sample; the energy of all is 1.
    """
    early = _reflections(rt60_s, rng)
    tail = _diffuse(rt60_s, rng)
    loudness = np.sqrt(np.mean(early[len(early) // 2 :] ** 2) / np.mean(tail[: len(early)] ** 2))
    response = np.concatenate([early, loudness * tail])
    response /= np.sqrt(np.sum(response**2))
    response[0] = 10 ** (ratio_db / 20)
    return response / np.sqrt(np.sum(response**2))


def _reflections(rt60_s: float, rng: np.random.Generator) -> AnyFloats:
    """Reflections by the walls of a box in the first 40 ms, (n,), without the direct sound."""
    size = np.array([rng.uniform(*span) for span in _SIZES_M])
    source, microphone = (rng.uniform(_WALL_M, size - _WALL_M) for _ in range(2))
    images, bounces = _images(size, source)
    distances = np.linalg.norm(images - microphone, axis=1)
    strengths = _wall_reflection(size, rt60_s) ** bounces / distances
    direct_m = np.linalg.norm(source - microphone)
    delays = np.rint((distances - direct_m) / _SOUND_M_S * SR).astype(np.intp)
    n = int(_EARLY_S * SR)
    early = np.zeros(max(n, delays.max() + 1))
    np.add.at(early, delays, strengths)
    early[0] = 0.0
    return early[:n]


def _images(size: AnyFloats, source: AnyFloats) -> tuple[AnyFloats, AnyFloats]:
    """Image sources: positions (n, 3), and how many walls reflected each (n,)."""
    axes = [np.arange(-_ORDER, _ORDER + 1)] * 3 + [np.arange(2)] * 3
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 6)
    repeat, mirror = grid[:, :3], grid[:, 3:]
    positions = 2 * repeat * size + (1 - 2 * mirror) * source
    return positions, np.sum(np.abs(repeat - mirror) + np.abs(repeat), axis=1).astype(np.float64)


def _wall_reflection(size: AnyFloats, rt60_s: float) -> float:
    """The share of the pressure that a wall reflects, from RT60 by Eyring's formula (1930)."""
    volume = float(np.prod(size))
    surface = 2 * float(size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    return float(np.exp(-0.161 * volume / (2 * surface * rt60_s)))


def _diffuse(rt60_s: float, rng: np.random.Generator) -> AnyFloats:
    """Noise that decays from level 1, the high frequencies faster, (n,) until -60 dB."""
    n = int(rt60_s * max(_DECAY) * SR)
    frequencies, times = np.fft.rfftfreq(n, 1 / SR), np.arange(n) / SR
    spectrum = np.fft.rfft(rng.standard_normal(n))
    tail = np.zeros(n)
    for low, high, part in zip(_DECAY_HZ, _DECAY_HZ[1:], _DECAY, strict=False):
        band = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies < high)), n)
        tail += band * 10 ** (-3 * times / (rt60_s * part))
    return tail
