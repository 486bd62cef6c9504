"""Read audio: files, streams and arrays become mono samples, tags and content ids.

PyAV (FFmpeg) decodes, and libsndfile what FFmpeg refuses. soxr resamples, and mediafile reads tags.
One core decodes 650 to 1300 seconds of music a second to 16 kHz mono; a content id needs no
decoding and is ten times faster.
"""

from fingerprinter.audio.content import Content, content_id, read_content
from fingerprinter.audio.decoding_process import DecodingProcess
from fingerprinter.audio.folders import AUDIO_SUFFIXES, find_audio, find_audio_at
from fingerprinter.audio.limits import DecodingLimits, limit_this_process
from fingerprinter.audio.reader import AudioReader, open_audio, read_samples
from fingerprinter.audio.source import AudioSource, FilePart
from fingerprinter.audio.tags import read_cover, read_tags
from fingerprinter.audio.wav import WavWriter, write_wav

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioReader",
    "AudioSource",
    "Content",
    "DecodingLimits",
    "DecodingProcess",
    "FilePart",
    "WavWriter",
    "content_id",
    "find_audio",
    "find_audio_at",
    "limit_this_process",
    "open_audio",
    "read_content",
    "read_cover",
    "read_samples",
    "read_tags",
    "write_wav",
]
