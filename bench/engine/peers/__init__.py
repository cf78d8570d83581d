"""The servers under measurement: the same small application on each engine."""
