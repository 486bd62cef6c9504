"""Measures how well the program works on the user's own music.

Every evaluation draws from a library by a seed, reports shares with 95 % intervals, and says which
version, parameters, music and machine its figures hold for.
"""

from fingerprinter.evaluation.conditions import (
    CONDITIONS,
    HARD_CONDITIONS,
    QUICK,
    SOUND_CONDITIONS,
    Condition,
    select,
)
from fingerprinter.evaluation.degrade import Sounds, folder_sound
from fingerprinter.evaluation.identify import IdentifyPlan, evaluate_identify
from fingerprinter.evaluation.metrics import Mean, Rate
from fingerprinter.evaluation.music import read_groups
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import ConditionResult, IdentifyReport
from fingerprinter.evaluation.run import Progress
from fingerprinter.evaluation.similarity import SimilarityPlan, evaluate_similarity
from fingerprinter.evaluation.similarity_report import SimilarityReport, SystemResult

__all__ = [
    "CONDITIONS",
    "HARD_CONDITIONS",
    "QUICK",
    "SOUND_CONDITIONS",
    "Condition",
    "ConditionResult",
    "IdentifyPlan",
    "IdentifyReport",
    "Mean",
    "Progress",
    "Provenance",
    "Rate",
    "SimilarityPlan",
    "SimilarityReport",
    "Sounds",
    "SystemResult",
    "evaluate_identify",
    "evaluate_similarity",
    "folder_sound",
    "read_groups",
    "select",
]
