"""Alembic migrations, SQL first: each version is a list of statements."""
