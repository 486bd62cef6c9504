"""Use cases: the only room where the roads cross."""

from fingerprinter.library.analyzing import AnalyzeReport, Tag, TrackAnalysis, analyze_file
from fingerprinter.library.clusters import Cluster
from fingerprinter.library.duplicates import MIN_DUPLICATE_CONFIDENCE, OnSearched, Searched
from fingerprinter.library.explanation import Explanation, explain_alone
from fingerprinter.library.facade import (
    MIN_CONFIDENCE,
    Answer,
    DiskUse,
    Library,
    LibraryStats,
    PartSize,
    SchemaStatus,
    open_library,
    schema_status,
    upgrade_schema,
)
from fingerprinter.library.filters import TrackFilter
from fingerprinter.library.indexing import OnProgress, Progress
from fingerprinter.library.recommendation import Recommendations
from fingerprinter.library.search import SearchAnswer
from fingerprinter.library.separation import Separation
from fingerprinter.library.separation import separate as separate_file
from fingerprinter.library.similarity import SoundSpace
from fingerprinter.library.sound_map import SoundMap
from fingerprinter.library.transfer import ImportReport, Moved, OnMoved
from fingerprinter.library.verification import Finding, OnVerified, Verified, VerifyReport
from fingerprinter.store.shares import Share

__all__ = [
    "MIN_CONFIDENCE",
    "MIN_DUPLICATE_CONFIDENCE",
    "AnalyzeReport",
    "Answer",
    "Cluster",
    "DiskUse",
    "Explanation",
    "Finding",
    "ImportReport",
    "Library",
    "LibraryStats",
    "Moved",
    "OnMoved",
    "OnProgress",
    "OnSearched",
    "OnVerified",
    "PartSize",
    "Progress",
    "Recommendations",
    "SchemaStatus",
    "SearchAnswer",
    "Searched",
    "Separation",
    "Share",
    "SoundMap",
    "SoundSpace",
    "Tag",
    "TrackAnalysis",
    "TrackFilter",
    "Verified",
    "VerifyReport",
    "analyze_file",
    "explain_alone",
    "open_library",
    "schema_status",
    "separate_file",
    "upgrade_schema",
]
