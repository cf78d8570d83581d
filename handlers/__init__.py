"""Doors: HTTP routes and socket commands, one feature a file."""
