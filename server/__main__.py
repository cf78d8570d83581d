"""`python -m server` is the `cyberhub` command."""

from server.cli import main

main()
