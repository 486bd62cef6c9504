"""Pure functions of arrays: spectrogram, peaks, landmarks, packing, matching."""
