"""The engine against its peers, in turn and side by side: `python -m bench engine`."""
