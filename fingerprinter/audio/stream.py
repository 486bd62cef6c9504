"""Demux and decode the main audio stream of a file with FFmpeg.

Damage is noted, and reading continues after it as far as demuxer and decoder allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, BinaryIO, cast

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

from fingerprinter.audio.damage import Damage
from fingerprinter.audio.declared_duration import DeclaredDuration, declared_duration, read_head
from fingerprinter.audio.file_range import QuietFile, without_padding
from fingerprinter.audio.signal import MAX_SR, MIN_SR
from fingerprinter.audio.source import read_errors
from fingerprinter.audio.timeline import MAX_GAP_S, fill_gaps
from fingerprinter.errors import AudioError

OPEN_OPTIONS: dict[str, Any] = {
    # A playlist or script with the name of an audio file must not open other files or addresses.
    "container_options": {"protocol_whitelist": ""},
    # A tag in an unknown encoding must not stop the decoding. PyAV 19 does this by itself.
    **({"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}),
}
_MAX_READ_ERRORS = 16  # after so many errors the disk is failing, and reading ends
# Decoders need some audio before the wanted sample: Opus 80 ms (RFC 7845), MP3 its bit reservoir.
_PREROLL_S = 0.2
_MAX_DSD_SR = 2_822_400  # Hz; FFmpeg counts the bytes of DSD512
_MOST_PLAYS, _SMALL_BYTES = 2, 1 << 20  # how often a file may play its bytes, and some more
_KEPT_BYTES = 1 << 26  # packets that are kept in memory ...
_PACKET_BYTES = 1 << 10  # ... each of which takes about so much besides its data
# Frames in FLAC files count samples. Other time stamps are rounded, those of Vorbis to a part of
# its blocks, also where another program has copied them to another format.
_FLAC_TOLERANCE_S, _TOLERANCE_S = 0.001, 0.05
_COUNT_SAMPLES = ("flac", "ogg")  # formats, by FFmpeg's names, in which a gap is lost sound
_STORE_END = ("matroska,webm", "ogg")  # formats whose duration is the time stamp of the end


class EncodedStream:
    """The default audio stream of a file.

    Parameters
    ----------
    file : binary file
        A seekable file.
    name : str
        Name of the file in messages.
    damage : Damage
        Collects the first error.

    Attributes
    ----------
    declared : DeclaredDuration
        The duration that the file declares.
    has_all_packets : bool
        Whether `packets` has read all packets without an error, and they were kept.

    Raises
    ------
    AudioError
        If FFmpeg finds no audio in the file that it can decode.
    """

    def __init__(self, file: BinaryIO, name: str, damage: Damage) -> None:
        self._name, self._damage = name, damage
        self._kept: list[av.Packet[av.AudioStream]] | None = None
        self.has_all_packets = False
        with read_errors(name):
            head = read_head(file)
            self._file, self._file_bytes = without_padding(file), head.file_bytes
        self._open()
        self.declared: DeclaredDuration = declared_duration(self._container, self._stream, head)
        if head.cut_off:
            damage.note("the file ends inside an Ogg page")

    def _open(self) -> None:
        """Open the container, choose the default audio stream, and let FFmpeg skip all others."""
        self._file.seek(0)
        try:
            container = cast(InputContainer, av.open(QuietFile(self._file), **OPEN_OPTIONS))
        except (av.FFmpegError, OSError) as error:
            reason = f"not audio, or cut off before any ({_reason(error)}); does it play?"
            raise AudioError(f"{self._name}: {reason}") from error
        if not container.streams.audio:
            video = container.streams.video
            held = "a video without sound?" if video else "a subtitle or data file?"
            raise AudioError(f"{self._name}: no audio stream ({held})")
        decodable = [each for each in container.streams.audio if each.codec_context is not None]
        if not decodable:
            reason = "FFmpeg has no decoder for this audio; convert it to FLAC or WAV"
            raise AudioError(f"{self._name}: {reason}")
        defaults = (each for each in decodable if each.disposition & Disposition.default)
        stream = next(defaults, decodable[0])
        sr = stream.codec_context.sample_rate
        if not sr:
            raise AudioError(f"{self._name}: not audio, FFmpeg finds no sound in it; does it play?")
        if not is_audio_rate(sr, stream.codec_context.name):
            reason = f"{sr} Hz is no sampling rate of audio; is the file damaged?"
            raise AudioError(f"{self._name}: {reason}")
        for other in container.streams:
            other.discard = Discard.none if other is stream else Discard.all
        self._container, self._stream = container, stream
        is_flac = container.format.name == "flac"
        self._tolerance_s = _FLAC_TOLERANCE_S if is_flac else _TOLERANCE_S

    def close(self) -> None:
        """End the reading."""
        self._container.close()

    @property
    def description(self) -> str:
        """Codec, sampling rate and number of channels, such as ``vorbis 44100 2``."""
        context = self._stream.codec_context
        codec = context.codec.canonical_name
        return f"{codec} {context.sample_rate} {context.layout.nb_channels}"

    def keep_packets(self) -> None:
        """Let `packets` keep what it yields, if that is not too much for the memory."""
        self._kept = []

    def restart(self, damage: Damage) -> None:
        """Note further errors in ``damage``. `packets` yields what it has kept again."""
        self._damage = damage

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the compressed packets in their order, without empty ones (legal in Vorbis)."""
        if self.has_all_packets:
            yield from self._kept or ()
            return
        left_bytes = _KEPT_BYTES
        for packet in self._demux():
            if self._kept is not None:
                beside = sum(each.data_size for each in packet.iter_sidedata())
                left_bytes -= packet.size + beside + _PACKET_BYTES
                self._kept.append(packet)
                if left_bytes < 0:
                    self._kept = None
            yield packet
        self.has_all_packets = self._kept is not None and self._damage.error is None

    def _demux(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Read the packets of the file.

        A crafted edit list can play the same part again and again, so that a small file gives
        hours of sound. The packets of an honest file are together no larger than the file.
        """
        left_bytes = _MOST_PLAYS * self._file_bytes + _SMALL_BYTES
        for _ in range(_MAX_READ_ERRORS):
            try:
                for packet in self._container.demux(self._stream):
                    left_bytes -= packet.size
                    if left_bytes < 0:
                        reason = "its edit list plays the same parts again and again"
                        raise AudioError(f"{self._name}: {reason}; convert it to FLAC or WAV")
                    if packet.size:
                        yield packet
                return
            except (av.FFmpegError, OSError) as error:
                self._damage.note(_reason(error))
            except IndexError:  # PyAV before 19, at the end, if streams have appeared on the way
                return

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yield the decoded frames, without the padding that Opus, MP3 and AAC encoders declare."""
        decoder, sr = self._stream.codec_context, None
        for packet in chain(self.packets(), [None]):  # None: get what the decoder held back
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError as error:
                self._damage.note(_reason(error))
                continue
            for frame in frames:
                if frame.sample_rate != sr:
                    sr = frame.sample_rate
                    if not is_audio_rate(sr, decoder.name):
                        reason = f"its sampling rate changes to {sr} Hz"
                        raise AudioError(f"{self._name}: {reason}; is the file damaged?")
                yield frame

    def frames_from(self, start_s: float) -> tuple[Iterator[av.AudioFrame], float]:
        """Return the frames from a little before a position, with silence in the gaps.

        Position 0 is where a player begins: the first sample, or the first picture of a video
        whose sound begins later. A file that cannot seek to a known time is decoded from its
        beginning. ``declared`` becomes the duration from position 0 on.

        Parameters
        ----------
        start_s : float
            Seconds from position 0.

        Returns
        -------
        frames : iterator of av.AudioFrame
            The decoded frames.
        before_s : float
            How many seconds of them lie before ``start_s``.
        """
        frames = self.frames()
        first = next(frames, None)
        first_s = self._time_s(first)
        if first is None or first_s is None:
            return chain([] if first is None else [first], frames), start_s
        zero_s = self._find_zero(first_s)
        at_s, before_s, frames = zero_s, start_s, chain([first], frames)
        if start_s > _PREROLL_S:
            found = self.frames() if self.seek(zero_s + start_s - _PREROLL_S) else iter(())
            at = next(found, None)
            found_s = self._time_s(at)
            if at is not None and found_s is not None and found_s <= zero_s + start_s:
                at_s, before_s = found_s, zero_s + start_s - found_s
                frames = chain([at], found)
            else:
                self._container.close()
                self._open()
                frames = self.frames()
        most_s = MAX_GAP_S - self._damage.lost_s  # of all links of a chain
        return fill_gaps(frames, at_s, self._tolerance_s, self._note_gap, most_s), before_s

    def _find_zero(self, first_s: float) -> float:
        """Return the time stamp of position 0, from that of the first decoded sample.

        ``declared`` becomes the duration from there on.
        """
        others = [
            float(other.start_time * other.time_base)
            for other in self._container.streams.video
            if other.start_time is not None
            and other.time_base
            and not other.disposition & Disposition.attached_pic
        ]
        if self._container.format.name == "flac" and self.declared.duration_s:
            # A FLAC file begins at sample 0; one that was cut out of a stream can begin anywhere.
            others += [0.0] if first_s < self.declared.duration_s else []
        zero_s = min([first_s, *others])
        zero_s = zero_s if self._tolerance_s < first_s - zero_s <= MAX_GAP_S else first_s
        if self.declared.duration_s is not None:
            is_end = self._container.format.name in _STORE_END
            shift_s = -max(0.0, zero_s) if is_end else first_s - zero_s
            duration_s = max(0.0, self.declared.duration_s + shift_s)
            self.declared = replace(self.declared, duration_s=duration_s)
        return zero_s

    def _note_gap(self, gap_s: float) -> None:
        """Count a gap as lost sound, if it is one: other formats have pauses without damage."""
        if self._damage.error or self._container.format.name in _COUNT_SAMPLES:
            self._damage.lost_s += gap_s

    def _time_s(self, frame: av.AudioFrame | None) -> float | None:
        if frame is None or frame.pts is None or not self._stream.time_base:
            return None
        return float(frame.pts * self._stream.time_base)

    def seek(self, time_s: float) -> bool:
        """Seek to a time stamp of the stream in seconds; return whether that worked."""
        try:
            ticks = int(time_s / float(self._stream.time_base or 1))
            self._container.seek(ticks, stream=self._stream)
        except (av.FFmpegError, OSError):
            return False
        return True


def is_audio_rate(sr: int, codec: str) -> bool:
    """Tell whether a sampling rate in Hz can be that of audio; DSD has more than other formats.

    >>> is_audio_rate(44_100, "flac"), is_audio_rate(1_411_200, "dsd_lsbf")
    (True, True)
    >>> is_audio_rate(1, "flac"), is_audio_rate(1_411_200, "flac")
    (False, False)
    """
    return MIN_SR <= sr <= (_MAX_DSD_SR if codec.startswith("dsd") else MAX_SR)


def _reason(error: Exception) -> str:
    """Return the words of an error without its number and file name."""
    return getattr(error, "strerror", None) or str(error)
