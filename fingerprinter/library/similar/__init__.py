"""From a track to the tracks that sound like it."""
