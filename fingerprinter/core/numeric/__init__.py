"""Compiled kernels, packed integers and other numeric tools without a notion of music."""
