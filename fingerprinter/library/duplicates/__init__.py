"""Which tracks hold the same recording."""
