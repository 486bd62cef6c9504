"""From audio files to rows of the database: which files, what is extracted, how it is written."""
