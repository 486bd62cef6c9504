"""Pure functions of arrays. They use no disk, database, network, clock or screen."""
