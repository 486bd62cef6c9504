"""The commands of the program: one module for each command or family of commands."""
