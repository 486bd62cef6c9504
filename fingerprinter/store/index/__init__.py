"""The posting lists of the landmark index: writing, merging, looking up."""
