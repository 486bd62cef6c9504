"""Words and sound in one space: a model that the user brings, as CLAP is one.

Two networks that were trained together (Wu et al. 2023, "Large-scale contrastive language-audio
pretraining"): one turns sound into a vector, the other words, and what fits lies near. None is
shipped: the good ones are large, and their licences are their owners'. `docs/discovery.md` says
how to export one into a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding.log_mel import LogMel, mel_power
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.embedding.windows import Sampling, WindowSampler, at_level
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]

MANIFEST: Final = "manifest.json"

_VERSION = "1"  # goes up with every change of what is done before and after the networks
_SPREAD = 4, 8  # windows of a track: at least, at most; CLAP's have 10 s, and take it half a second
_FAINTEST = 1e-10  # power, -100 dB
_SEE = "see docs/discovery.md for what belongs into the folder"
_MEND = f"export it again, or {_SEE}"


class TextAudioModel(Protocol):
    """Hears sound and reads words into one space, where what fits lies near.

    All vectors are (dim,) float32, of unit length.
    """

    @property
    def digest(self) -> str:
        """Of all that decides a vector, 16 hex digits; those under others are never compared."""

    @property
    def sr(self) -> int:
        """Sample rate of the windows in hertz."""

    def sampler(self) -> WindowSampler:
        """A new sampler of the windows that `hear` takes."""

    def hear(self, windows: Floats) -> Floats:
        """The vector of the track that some windows, (k, window) float32, come from."""

    def read(self, words: str) -> Floats:
        """The vector of some words."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of the folder; output: the one of its network that is the vector."""

    file: str
    sha256: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class _Decibels:
    """A mel spectrogram in decibels of power: centred frames, Slaney's filters, as librosa's."""

    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float

    def of(self, windows: Floats, sr: int) -> Floats:
        """(k, n) -> (k, frames, n_mels) float32."""
        params = LogMel(sr=sr, **asdict(self))
        half = self.n_fft // 2
        power = mel_power(np.pad(windows, ((0, 0), (half, half)), "reflect"), params)
        return 10 * np.log10(np.maximum(power, _FAINTEST))


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What a folder's manifest says.

    front_end: of the audio network; None: it takes samples
    """

    sr: int
    window: int  # samples
    front_end: _Decibels | None
    audio: _Part
    text: _Part
    tokenizer: _Part

    @classmethod
    def read(cls, path: Path) -> _Manifest:
        """Raises `ModelError` when it is missing or no manifest."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            front_end = _Decibels(**fields["front_end"]) if fields["front_end"] else None
            window = round(fields["sr"] * fields["window_s"])
            if window <= (front_end.n_fft if front_end else 0):
                raise ValueError(f"a window of {window} samples")
            parts = (_Part(**fields[name]) for name in ("audio", "text", "tokenizer"))
            return cls(fields["sr"], window, front_end, *parts)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}; {_SEE}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a manifest ({error!r}); {_SEE}") from error


class FolderTextAudioModel:
    """The model in a folder: two ONNX networks, a tokenizer and `MANIFEST`, on one thread.

    A file is read, and compared with its digest, when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        """Reads the manifest; raises `ModelError`."""
        self.folder = folder
        self._manifest = _Manifest.read(folder / MANIFEST)
        least, most = _SPREAD
        self._sampling = Sampling(self._manifest.window, least=least, apart=1, most=most)

    @property
    def digest(self) -> str:
        """As `TextAudioModel` says: of the files and of all that is done around them."""
        said = self._manifest
        parts = [(part.sha256, part.output) for part in (said.audio, said.text, said.tokenizer)]
        front_end = said.front_end and asdict(said.front_end)
        text = json.dumps([_VERSION, said.sr, front_end, self._sampling.id, parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def sr(self) -> int:
        """Sample rate of the windows in hertz."""
        return self._manifest.sr

    def sampler(self) -> WindowSampler:
        """A new sampler of the windows that `hear` takes."""
        return WindowSampler(self._sampling)

    def check(self) -> None:
        """Raises `ModelError` unless both networks answer, with vectors of one length."""
        heard = self.hear(np.zeros((1, self._sampling.window), np.float32))
        read = self.read("music")
        if heard.shape != read.shape:
            raise ModelError(
                f"{self.folder}: {len(heard)} numbers for a sound, {len(read)} for words;"
                " export both networks of one model"
            )

    def hear(self, windows: Floats) -> Floats:
        """The mean of the windows' vectors; raises `ModelError`."""
        loud = at_level(windows, self._sampling.level_db)
        # One by one: that a graph takes several is not required.
        each = [self._heard(window[np.newaxis]) for window in loud]
        return _unit(np.mean(each, axis=0))

    def _heard(self, window: Floats) -> Floats:
        inputs = self._audio.get_inputs()
        if len(inputs) != 1:
            raise ModelError(
                f"{self.folder / self._manifest.audio.file}: takes {len(inputs)} inputs;"
                " export it with one, the sound"
            )
        front_end = self._manifest.front_end
        given = front_end.of(window, self.sr) if front_end else window
        if len(inputs[0].shape) == given.ndim + 1:
            given = given[:, np.newaxis]  # the one channel
        return self._vector(self._audio, self._manifest.audio, {inputs[0].name: given})

    def read(self, words: str) -> Floats:
        """The vector of some words; raises `ModelError`."""
        tokens = self._tokenizer.encode(words)
        known = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}
        names = [each.name for each in self._text.get_inputs()]
        if not known.keys() >= set(names):
            raise ModelError(
                f"{self.folder / self._manifest.text.file}: takes {', '.join(names)};"
                f" export it with {' and '.join(known)} at most"
            )
        given = {name: np.array([known[name]], np.int64) for name in names}
        return self._vector(self._text, self._manifest.text, given)

    def _vector(self, session: Any, part: _Part, given: Mapping[str, Any]) -> Floats:
        file = self._file(part)
        with file.one_line():
            (rows,) = session.run([part.output], given)
        if rows.ndim != 2 or len(rows) != 1:
            raise ModelError(
                f"{file.path}: {part.output} has the shape {rows.shape}, not (1, numbers);"
                " name another output, or pool it in the export"
            )
        return _unit(rows[0].astype(np.float32))

    @cached_property
    def _audio(self) -> Any:
        return self._session(self._manifest.audio)

    @cached_property
    def _text(self) -> Any:
        return self._session(self._manifest.text)

    def _session(self, part: _Part) -> Any:
        file = self._file(part)
        file.verify()
        return file.session()

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError:
            raise ModelError(
                "tokenizers is not installed, which text-audio models need;"
                " `pip install tokenizers`"
            ) from None
        file = self._file(self._manifest.tokenizer)
        file.verify()
        with file.one_line():
            return Tokenizer.from_file(str(file.path))

    def _file(self, part: _Part) -> NetworkFile:
        return NetworkFile(self.folder / part.file, part.sha256, MANIFEST, _MEND)


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
