"""How well it works, on a user's own music: seeded clips, degradations, counts with intervals."""

from fingerprinter.evaluation.conditions import CONDITIONS, QUICK, Condition, select
from fingerprinter.evaluation.degrade import Sounds, folder_sound
from fingerprinter.evaluation.identify import Plan, evaluate_identify
from fingerprinter.evaluation.metrics import Mean, Rate
from fingerprinter.evaluation.music import read_groups
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import ConditionResult, Report
from fingerprinter.evaluation.run import Progress
from fingerprinter.evaluation.similarity import SimilarityPlan, evaluate_similarity
from fingerprinter.evaluation.similarity_report import SimilarityReport, SystemResult

__all__ = [
    "CONDITIONS",
    "QUICK",
    "Condition",
    "ConditionResult",
    "Mean",
    "Plan",
    "Progress",
    "Provenance",
    "Rate",
    "Report",
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
