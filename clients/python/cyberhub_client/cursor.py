"""A cursor is a place in the club's event log: the log's epoch, a dot, a position."""


def is_after(a: str, b: str | None) -> bool:
    """Whether cursor `a` stands after cursor `b`; None stands before everything."""
    if b is None:
        return True
    epoch_a, _, position_a = a.rpartition(".")
    epoch_b, _, position_b = b.rpartition(".")
    # Places in two logs have no order; a log that was replaced is told by `resync`.
    if epoch_a != epoch_b:
        return True
    return (len(position_a), position_a) > (len(position_b), position_b)
