"""From a clip to the recordings in it, with the position in each track."""
