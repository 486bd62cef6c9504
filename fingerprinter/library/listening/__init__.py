"""What plays on a station: events from sound that comes in for weeks.

`listener` turns blocks of sound and a clock into events, without a network. `station` reads a
source, connects again when it breaks, and hands its sound to a listener. `monitors` runs several.
"""
