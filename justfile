# The commands of the project: https://just.systems

# Show the list of commands
default:
    @just --list

# Show the main job on ten short tracks, or on your own music
demo *MUSIC_FOLDER:
    python3 scripts/demo.py {{MUSIC_FOLDER}}

# Run all checks and tests; arguments go to pytest
test *ARGUMENTS:
    python3 scripts/test.py {{ARGUMENTS}}

# Write the tables and build the documentation into build/site
docs:
    .venv/bin/python scripts/make_tables.py
    .venv/bin/python -m mkdocs build --strict
