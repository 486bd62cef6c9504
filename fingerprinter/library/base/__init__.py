"""What every part of the library package needs: references to tracks, stored peaks, defaults."""
