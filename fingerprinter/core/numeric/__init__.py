"""Compiled kernels, packed integers and other numeric tools that know nothing of music."""
