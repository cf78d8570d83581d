"""Streams of frames, most of them broken: see fuzz_frames for what is checked of each."""

import random

import pytest

from tests.engine.fuzz_frames import KINDS, Tally, fuzz

# How a stream can end: it does not, the client says so, or it broke a rule or a bound.
ENDINGS = {"open", "closed", "1002", "1007", "1008", "1009"}


def whole(frames: int, seed: object) -> Tally:
    *_, tally = fuzz(frames, seed)
    return tally


def test_broken_streams_are_read_as_wsproto_reads_them_and_within_their_bounds() -> None:
    tally = whole(6000, "every day")

    # Or this would say little.
    assert tally.endings.keys() == ENDINGS
    assert tally.kinds.keys() == KINDS.keys()


@pytest.mark.long
def test_a_million_frames_are_read_so() -> None:
    """Others each time; what fails is named by its seed."""
    tally = whole(1_000_000, random.SystemRandom().randrange(1 << 32))

    assert tally.endings.keys() == ENDINGS
