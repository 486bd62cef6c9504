"""Degradations: what happens to music on its way to a microphone.

Pure functions of samples and a seeded generator. Samples are (n,) float32, mono, 16 kHz, of full
scale 1.
"""

from fingerprinter.evaluation.degrade.channel import gsm, mp3, telephone
from fingerprinter.evaluation.degrade.levels import add_noise, is_audible, mixed, rms, with_gain
from fingerprinter.evaluation.degrade.noise import Sounds, babble, folder_sound
from fingerprinter.evaluation.degrade.room import reverberated
from fingerprinter.evaluation.degrade.stretch import stretched

__all__ = [
    "Sounds",
    "add_noise",
    "babble",
    "folder_sound",
    "gsm",
    "is_audible",
    "mixed",
    "mp3",
    "reverberated",
    "rms",
    "stretched",
    "telephone",
    "with_gain",
]
