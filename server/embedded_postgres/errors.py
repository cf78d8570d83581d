"""The one error of this package."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the text is a sentence for the operator."""
