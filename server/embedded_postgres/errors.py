"""The errors of this package."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the text is a sentence for the operator."""


class FolderInUse(EmbeddedPostgresError):
    """Another process runs the database of this folder."""
