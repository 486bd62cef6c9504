"""Indexing without worker processes, which take a second to start (test_worker.py tests these)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from fingerprinter.embedding import load_model
from fingerprinter.errors import AudioError
from fingerprinter.library.indexing.extract import ExtractedFile, extract_file
from fingerprinter.library.indexing.ingest import FoundFile
from fingerprinter.library.indexing.workers import ExtractJob, result_or_error

load_model_once = cache(load_model)


def extract_in_process(
    files: Sequence[FoundFile], job: ExtractJob, jobs: int
) -> Iterator[tuple[FoundFile, ExtractedFile | AudioError]]:
    """Stands in for `run_in_order`: extracts the files one by one in this process."""
    model = load_model_once() if job.embeddings else None
    for file in files:
        yield (
            file,
            result_or_error(
                lambda source: extract_file(source, job.params, model, job.known), file.source
            ),
        )
