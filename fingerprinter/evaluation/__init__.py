"""How well it works, on a user's own music: seeded clips, degradations, counts with intervals."""

from fingerprinter.evaluation.conditions import CONDITIONS, QUICK, Condition, select
from fingerprinter.evaluation.degrade import Sounds, folder_sound
from fingerprinter.evaluation.identify import Plan, Progress, evaluate_identify
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.music import read_groups
from fingerprinter.evaluation.report import ConditionResult, Report

__all__ = [
    "CONDITIONS",
    "QUICK",
    "Condition",
    "ConditionResult",
    "Plan",
    "Progress",
    "Rate",
    "Report",
    "Sounds",
    "evaluate_identify",
    "folder_sound",
    "read_groups",
    "select",
]
