"""Tests against the real thing: PostgreSQL, sockets, browsers."""
