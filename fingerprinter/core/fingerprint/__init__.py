"""From samples to spectral peaks, landmarks and sketches."""
