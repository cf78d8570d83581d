"""An embedded PostgreSQL: started when no `DATABASE_URL` is set, ended with the server.

Four concerns, one file each: `binaries` (which PostgreSQL), `launcher` (becoming it without root
and dying with its parent), `folder` (what lies on the disk and who owns it), `supervisor` (its
life). `processes` holds what they ask of the operating system.
"""

from server.embedded_postgres.errors import EmbeddedPostgresError, FolderInUse
from server.embedded_postgres.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "FolderInUse"]
