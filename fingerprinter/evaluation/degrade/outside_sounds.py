"""Sounds that are no music of any library: tones, signals, speech, weather and engines.

Each function renders one clip from a generator of random numbers, (n,) float32 at 16 kHz. A search
must not answer any of them. Speech is spoken by ``espeak-ng`` where that is installed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import read_samples
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.degrade.noise import coloured_noise
from fingerprinter.evaluation.excerpt import SR, Samples

AnyFloats = npt.NDArray[np.floating[Any]]
Renderer = Callable[[int, np.random.Generator], Samples]

_DITHER = 2.0**-15  # a step of 16 bits
_WAV_HEADER, _ESPEAK_SR = 44, 22_050  # bytes and Hz of what espeak-ng writes
_MORSE = (
    *(".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-.."),
    *("--", "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "--.."),
)
_DIAL_HZ = ((350, 440), (425,), (400,), (480, 620), (440, 480))  # tones of telephone networks
_SENTENCES = {  # article 1 of the Universal Declaration of Human Rights
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق",
    "cmn": "人人生而自由 在尊严和权利上一律平等",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren",
    "en": "All human beings are born free and equal in dignity and rights",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах",
}


def tone(n: int, rng: np.random.Generator) -> Samples:
    """A sine of 60 Hz to 4 kHz, now and then with overtones."""
    return _placed(_note(n, rng.uniform(np.log(60), np.log(4000)), int(rng.integers(1, 6))), rng)


def chord(n: int, rng: np.random.Generator) -> Samples:
    """Three to five notes of the tempered scale, held or struck again, with overtones."""
    notes = rng.choice(np.arange(36, 84), rng.integers(3, 6), replace=False)
    every = int(rng.choice([n, SR, SR // 2]))
    decay = np.exp(-(np.arange(n) % every) / SR * rng.uniform(0, 4))
    log_hz = np.log(440.0) + (notes - 69) / 12 * np.log(2)
    held = np.sum([_note(n, each, 4) for each in log_hz.tolist()], axis=0)
    return _placed(held * decay, rng)


def pips(n: int, rng: np.random.Generator) -> Samples:
    """Time signals: tones of 0.05 to 0.5 s, mostly once a second."""
    every = rng.choice([SR, SR, SR // 2, 2 * SR])
    on = _gate(n, every, rng.uniform(0.05, 0.5), rng)
    return _placed(on * np.sin(_phase(n, rng.uniform(400, 2500))), rng)


def beeps(n: int, rng: np.random.Generator) -> Samples:
    """Alarms and machines: tones of one pitch or two in turn, several a second."""
    every = int(SR / rng.uniform(1.5, 10))
    on = _gate(n, every, rng.uniform(0.3, 0.7) * every / SR, rng)
    low, high = rng.uniform(500, 3500, 2)
    which = (np.arange(n) // every) % rng.integers(1, 3)
    wave = np.sin(np.where(which, _phase(n, high), _phase(n, low)))
    return _placed(on * (np.sign(wave) if rng.random() < 0.3 else wave), rng)


def morse(n: int, rng: np.random.Generator) -> Samples:
    """Random letters in Morse code, at 8 to 30 words a minute."""
    dot = int(SR * 1.2 / rng.uniform(8, 30))
    parts, length = [np.zeros(int(rng.integers(1, 8 * dot)))], 0
    while length < n:
        letter = _MORSE[rng.integers(len(_MORSE))]
        for sign in letter:
            parts += [np.ones(dot * (3 if sign == "-" else 1)), np.zeros(dot)]
        parts.append(np.zeros(2 * dot))
        length = sum(map(len, parts))
    on = np.convolve(np.concatenate(parts)[:n], np.hanning(81) / 40, "same")
    return _placed(on * np.sin(_phase(n, rng.uniform(400, 1200))), rng)


def clicks(n: int, rng: np.random.Generator) -> Samples:
    """A metronome, or clicks at random times."""
    length, clicks_s = np.zeros(n), rng.uniform(0.5, 12)
    regular = np.arange(rng.uniform(0, SR / 2), n, SR / clicks_s)
    at = regular if rng.random() < 0.5 else rng.uniform(0, n, max(1, int(n / SR * clicks_s)))
    length[at.astype(int)] = rng.uniform(0.3, 1, len(at))
    response = np.exp(-np.arange(800) / rng.uniform(3, 200)) * np.sin(
        _phase(800, rng.uniform(500, 4000))
    )
    return _placed(np.convolve(length, response)[:n], rng)


def dial_tone(n: int, rng: np.random.Generator) -> Samples:
    """Dial, ringing and busy tones, and numbers that are dialled."""
    if rng.random() < 0.3:
        sounds = [
            np.sin(_phase(2400, rng.choice([697, 770, 852, 941])))
            + np.sin(_phase(2400, rng.choice([1209, 1336, 1477])))
            for _ in range(n // 3200 + 1)
        ]
        keys = np.concatenate([np.pad(each, (0, 800)) for each in sounds])
        return _placed(keys[:n], rng)
    hertz = _DIAL_HZ[rng.integers(len(_DIAL_HZ))]
    on, off = ((1, 0), (0.5, 0.5), (1, 4), (2, 4), (0.25, 0.25))[rng.integers(5)]
    sound = np.sum([np.sin(_phase(n, each)) for each in hertz], axis=0)
    start = rng.uniform(0, on + off)
    return _placed(sound * ((np.arange(n) / SR + start) % (on + off) < on), rng)


def siren(n: int, rng: np.random.Generator) -> Samples:
    """A wail, a yelp, or two notes in turn, with overtones."""
    seconds, low = np.arange(n) / SR, rng.uniform(300, 800)
    cycle = seconds * rng.uniform(0.1, 4) + rng.random()
    swing = np.sin(2 * np.pi * cycle) if rng.random() < 0.6 else np.sign(np.sin(2 * np.pi * cycle))
    phase = np.cumsum(2 * np.pi * low * 2 ** (rng.uniform(0.3, 1.5) * (swing + 1) / 2) / SR)
    return _placed(np.sum([np.sin(k * phase) / k for k in range(1, 5)], axis=0), rng)


def applause(n: int, rng: np.random.Generator) -> Samples:
    """Claps of 3 to 300 people: short bursts of noise, each of its own colour."""
    total = np.zeros(n + SR)
    for _ in range(int(n / SR * 4 * np.exp(rng.uniform(np.log(3), np.log(300))))):
        length = int(rng.integers(80, 500))
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / length * 5)
        at = int(rng.integers(n))
        total[at : at + length] += rng.uniform(0.1, 1) * np.convolve(burst, [1, -0.6], "same")
    return _placed(total[:n], rng)


def rain(n: int, rng: np.random.Generator) -> Samples:
    """Noise, and drops that ring for milliseconds."""
    total = coloured_noise(n, rng.uniform(0, 1.2), rng)
    drops = np.zeros(n)
    at = rng.integers(0, n, int(n / SR * rng.uniform(5, 400)))
    drops[at] = rng.exponential(1, len(at))
    ring = np.exp(-np.arange(300) / 60) * np.sin(_phase(300, rng.uniform(1500, 5000)))
    return _placed(total / total.std() + np.convolve(drops, ring)[:n], rng)


def engine(n: int, rng: np.random.Generator) -> Samples:
    """Overtones of a slow pulse whose rate wanders, over noise."""
    rate = rng.uniform(8, 120) * 2 ** (0.1 * np.cumsum(rng.standard_normal(n)) / np.sqrt(n))
    phase = np.cumsum(2 * np.pi * rate / SR)
    strengths = rng.uniform(0, 1, 24) / np.arange(1, 25) ** 0.7
    pulse = np.sum([level * np.sin(k * phase) for k, level in enumerate(strengths, 1)], axis=0)
    noise = coloured_noise(n, 1.5, rng)
    return _placed(pulse + rng.uniform(0, 2) * noise / noise.std(), rng)


def silence(n: int, rng: np.random.Generator) -> Samples:
    """Digital silence, or dither of one step of 16 bits, or hum far below hearing."""
    kind = rng.integers(3)
    dither = _DITHER * (rng.random(n) - rng.random(n))
    hum = 1e-4 * np.sin(_phase(n, rng.choice([50, 60])))
    return np.rint((kind > 0) * (dither + (kind > 1) * hum) / _DITHER).astype(np.float32) * _DITHER


def speech(language: str, n: int, rng: np.random.Generator) -> Samples:
    """Words and numbers in a language, at a random pitch and pace, spoken by ``espeak-ng``.

    Raises
    ------
    UsageError
        If the program is not installed.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise UsageError("speech is spoken by espeak-ng, which is not installed; leave speech out")
    words = [*_SENTENCES[language].split(), *map(str, rng.integers(0, 10_000, 12))]
    text = " ".join(words[i] for i in rng.integers(0, len(words), 5 + 4 * n // SR))
    options = ["-v", language, "-p", str(rng.integers(10, 90)), "-s", str(rng.integers(110, 220))]
    spoken = subprocess.run(
        [program, *options, "--stdout"], input=text.encode(), capture_output=True, check=True
    )
    whole = (len(spoken.stdout) - _WAV_HEADER) // 2  # it may end within a sample
    samples = np.frombuffer(spoken.stdout, "<i2", whole, _WAV_HEADER)
    return _placed(np.resize(read_samples((samples, _ESPEAK_SR), SR), n), rng)


OUTSIDE_SOUNDS: dict[str, Renderer] = {
    "tone": tone,
    "chord": chord,
    "pips": pips,
    "morse": morse,
    "beeps": beeps,
    "clicks": clicks,
    "dial": dial_tone,
    "siren": siren,
    "applause": applause,
    "rain": rain,
    "engine": engine,
    "silence": silence,
    **{f"speech-{language}": partial(speech, language) for language in _SENTENCES},
}
"""A renderer of each kind of sound, by its name."""


def _phase(n: int, hertz: float) -> AnyFloats:
    return 2 * np.pi * hertz * np.arange(n) / SR


def _note(n: int, log_hz: float, overtones: int) -> AnyFloats:
    hertz = float(np.exp(log_hz))
    audible = [k for k in range(1, overtones + 1) if k * hertz < SR / 2]
    return np.sum([np.sin(_phase(n, k * hertz)) / k**1.5 for k in audible], axis=0)


def _gate(n: int, every: int, on_s: float, rng: np.random.Generator) -> AnyFloats:
    """1 for the first ``on_s`` seconds of each period, 0 for the rest, with a random start."""
    place = (np.arange(n) + rng.integers(every)) % every
    return (place < on_s * SR).astype(np.float64)


def _placed(samples: AnyFloats, rng: np.random.Generator) -> Samples:
    """Sound at a level of -30 to -1 dB, over digital silence, dither or faint noise."""
    peak = float(np.abs(samples).max(initial=0.0)) or 1.0
    loud = samples * 10 ** (rng.uniform(-30, -1) / 20) / peak
    kind, noise = rng.integers(3), rng.standard_normal(len(samples))
    floor = (0.0, _DITHER * 0.5, 10 ** (rng.uniform(-75, -50) / 20))[kind]
    return np.asarray(loud + floor * noise, np.float32)
