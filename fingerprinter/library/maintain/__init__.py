"""What keeps a library whole: verification, export and import, statistics."""
