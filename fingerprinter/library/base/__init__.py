"""Shared by all sub-packages of `library`: track references, stored peaks, snapshots, defaults."""
