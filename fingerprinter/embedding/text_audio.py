"""Text-audio models, which map text and sound into one vector space.

Such a model, CLAP for example, consists of two networks that were trained together (Wu et al.
2023, "Large-scale contrastive language-audio pretraining"). One maps sound to a vector, the other
text, and matching vectors are near each other. The package contains no such model, because the good
ones are large and have licences of their own. `docs/discovery.md` says how to export one into a
folder.
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

from fingerprinter.core.arrays import Floats
from fingerprinter.embedding.log_mel import LogMel, mel_power
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.embedding.windows import Sampling, WindowSampler, at_level
from fingerprinter.errors import ModelError

MANIFEST: Final = "manifest.json"

_VERSION = "1"  # must be raised with every change of the work before and after the networks
_MIN_WINDOWS, _MAX_WINDOWS = 4, 8  # a CLAP window has 10 s and takes half a second to embed
_MIN_POWER = 1e-10  # -100 dB
_SEE_DOCS = "see docs/discovery.md for what belongs into the folder"
_ADVICE = f"export it again, or {_SEE_DOCS}"


class TextAudioModel(Protocol):
    """Maps text and sound to unit vectors (dim,) float32 whose cosine says how well they match."""

    @property
    def digest(self) -> str:
        """Digest of everything that decides a vector: 16 hex digits.

        Vectors with different digests are never compared.
        """

    @property
    def sr(self) -> int:
        """Sample rate of the windows in hertz."""

    def sampler(self) -> WindowSampler:
        """Return a new sampler of the windows that `embed_audio` takes."""

    def embed_audio(self, windows: Floats) -> Floats:
        """Return the vector of the track that windows (k, window) float32 come from."""

    def embed_text(self, text: str) -> Floats:
        """Return the vector of a text."""


@dataclass(frozen=True, slots=True)
class _ModelFile:
    """A file of the folder; ``output`` names the output of a network that is the vector."""

    file: str
    sha256: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class DecibelMel:
    """A mel spectrogram in decibels of power, as librosa computes it with centred frames.

    Attributes
    ----------
    n_fft, hop_length
        Length and step of the frames in samples.
    n_mels
        Number of mel bands (filters of Slaney).
    f_min, f_max
        Lowest and highest frequency in hertz.
    """

    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float

    def compute(self, windows: Floats, sr: int) -> Floats:
        """Compute the spectrograms of windows.

        Parameters
        ----------
        windows
            (k, n) float32.
        sr
            Sample rate in hertz.

        Returns
        -------
        (k, frames, n_mels) float32
            Power in decibels, at least -100 dB.
        """
        params = LogMel(sr=sr, **asdict(self))
        half = self.n_fft // 2
        power = mel_power(np.pad(windows, ((0, 0), (half, half)), "reflect"), params)
        return 10 * np.log10(np.maximum(power, _MIN_POWER))


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The manifest of a folder; ``front_end`` None means that the audio network takes samples."""

    sr: int
    window: int  # samples
    front_end: DecibelMel | None
    audio: _ModelFile
    text: _ModelFile
    tokenizer: _ModelFile

    @classmethod
    def read(cls, path: Path) -> _Manifest:
        """Read a manifest; raises `ModelError` if it is missing or invalid."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            front_end = DecibelMel(**fields["front_end"]) if fields["front_end"] else None
            window = round(fields["sr"] * fields["window_s"])
            if window <= (front_end.n_fft if front_end else 0):
                raise ValueError(f"a window of {window} samples")
            files = (_ModelFile(**fields[name]) for name in ("audio", "text", "tokenizer"))
            return cls(fields["sr"], window, front_end, *files)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}; {_SEE_DOCS}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a manifest ({error!r}); {_SEE_DOCS}") from error


class FolderTextAudioModel:
    """A text-audio model in a folder: two ONNX networks, a tokenizer and a manifest.

    The networks run on one thread. A file is read and verified when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        """Read the manifest.

        Parameters
        ----------
        folder
            Folder with the files that `MANIFEST` names.

        Raises
        ------
        ModelError
            If the manifest is missing or invalid.
        """
        self.folder = folder
        self._manifest = _Manifest.read(folder / MANIFEST)
        self._sampling = Sampling(
            self._manifest.window,
            min_windows=_MIN_WINDOWS,
            max_stride=1,
            max_windows=_MAX_WINDOWS,
        )

    @property
    def digest(self) -> str:
        """Digest of the files, the front end and the sampling: 16 hex digits."""
        manifest = self._manifest
        files = (manifest.audio, manifest.text, manifest.tokenizer)
        digests = [(file.sha256, file.output) for file in files]
        front_end = manifest.front_end and asdict(manifest.front_end)
        text = json.dumps([_VERSION, manifest.sr, front_end, self._sampling.id, digests])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def sr(self) -> int:
        """Sample rate of the windows in hertz."""
        return self._manifest.sr

    def sampler(self) -> WindowSampler:
        """Return a new sampler of the windows that `embed_audio` takes."""
        return WindowSampler(self._sampling)

    def check(self) -> None:
        """Run both networks once.

        Raises
        ------
        ModelError
            If a network cannot be run, or their vectors differ in length.
        """
        audio = self.embed_audio(np.zeros((1, self._sampling.window), np.float32))
        text = self.embed_text("music")
        if audio.shape != text.shape:
            raise ModelError(
                f"{self.folder}: audio vectors of length {len(audio)}, text vectors of {len(text)};"
                " export both networks of one model"
            )

    def embed_audio(self, windows: Floats) -> Floats:
        """Embed a track.

        Parameters
        ----------
        windows
            (k, window) float32, k >= 1, from a `sampler`, at any level.

        Returns
        -------
        (dim,) float32
            Mean of the vectors of the windows, of unit length.

        Raises
        ------
        ModelError
            If the audio network cannot be run.
        """
        leveled = at_level(windows, self._sampling.level_db)
        # Windows are embedded one by one, because an exported graph may not take several.
        vectors = [self._embed_window(window[np.newaxis]) for window in leveled]
        return _unit(np.mean(vectors, axis=0))

    def _embed_window(self, window: Floats) -> Floats:
        """Return the vector of one window (1, n)."""
        inputs = self._audio.get_inputs()
        if len(inputs) != 1:
            raise ModelError(
                f"{self.folder / self._manifest.audio.file}: takes {len(inputs)} inputs;"
                " export it with one, the sound"
            )
        front_end = self._manifest.front_end
        features = front_end.compute(window, self.sr) if front_end else window
        if len(inputs[0].shape) == features.ndim + 1:
            features = features[:, np.newaxis]  # the network has a dimension for channels
        return self._run(self._audio, self._manifest.audio, {inputs[0].name: features})

    def embed_text(self, text: str) -> Floats:
        """Embed a text.

        Parameters
        ----------
        text
            Words in the language of the model.

        Returns
        -------
        (dim,) float32
            Vector of unit length.

        Raises
        ------
        ModelError
            If the tokenizer or the text network cannot be used.
        """
        tokens = self._tokenizer.encode(text)
        available = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}
        names = [each.name for each in self._text.get_inputs()]
        if not available.keys() >= set(names):
            raise ModelError(
                f"{self.folder / self._manifest.text.file}: takes {', '.join(names)};"
                f" export it with {' and '.join(available)} at most"
            )
        inputs = {name: np.array([available[name]], np.int64) for name in names}
        return self._run(self._text, self._manifest.text, inputs)

    def _run(self, session: Any, part: _ModelFile, inputs: Mapping[str, Any]) -> Floats:
        """Run a network on one input and return its vector, of unit length."""
        file = self._network_file(part)
        with file.translate_errors():
            (rows,) = session.run([part.output], inputs)
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

    def _session(self, part: _ModelFile) -> Any:
        """Verify and load a network."""
        file = self._network_file(part)
        file.verify()
        return file.session()

    @cached_property
    def _tokenizer(self) -> Any:
        """The verified tokenizer."""
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError:
            raise ModelError(
                "tokenizers is not installed, which text-audio models need;"
                " `pip install tokenizers`"
            ) from None
        file = self._network_file(self._manifest.tokenizer)
        file.verify()
        with file.translate_errors():
            return Tokenizer.from_file(str(file.path))

    def _network_file(self, part: _ModelFile) -> NetworkFile:
        return NetworkFile(self.folder / part.file, part.sha256, MANIFEST, _ADVICE)


def _unit(vector: Floats) -> Floats:
    """Scale a vector to unit length."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
