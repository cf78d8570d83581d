"""The draw: exact by its construction, whatever the weights."""

import hashlib
import hmac
import json
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.club import draw

weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=50)
totals = st.integers(1, 200 * 10**9)


@given(weights)
@example([1, 1, 1])
@example([10**9, 1])
@example([1] * 7)
def test_chances_sum_to_one_and_none_is_off_by_a_millionth(each: list[int]) -> None:
    shares = draw.chances(each)
    millionths = [round(share * 1_000_000) for share in shares]

    assert [part / 1_000_000 for part in millionths] == shares
    assert all(len(json.dumps(share)) <= 8 for share in shares)
    if sum(each) == 0:
        assert shares == [0.0] * len(each)
        return
    assert sum(millionths) == 1_000_000
    for part, weight in zip(millionths, each, strict=True):
        assert abs(part - Fraction(weight * 1_000_000, sum(each))) < 1
        assert weight > 0 or part == 0


@given(weights)
def test_every_roll_picks_one_line_and_each_line_by_its_weight(each: list[int]) -> None:
    small = [weight % 7 for weight in each]
    total = sum(small)
    picked = [draw.pick(small, rolled) for rolled in range(total)]
    assert [picked.count(index) for index in range(len(small))] == small
    with pytest.raises(ValueError, match="beyond"):
        draw.pick(small, total)


@given(st.text(max_size=20), st.integers(1, 10**6), totals)
def test_roll_is_the_first_hash_below_the_last_multiple(
    client_seed: str, nonce: int, total: int
) -> None:
    server_seed = "ab" * 32
    message = f"{client_seed}:{nonce}".encode("utf-8")
    digest = hmac.new(server_seed.encode(), message, hashlib.sha256).hexdigest()
    # With totals like these a rejection is as likely as guessing a key.
    assert int(digest, 16) < 2**256 - 2**256 % total
    assert draw.roll(server_seed, client_seed, nonce, total) == int(digest, 16) % total


@pytest.mark.parametrize("total", [2**255 + 1, 3 * 2**254 - 1])
def test_hash_above_the_last_multiple_is_rejected_and_the_next_one_taken(total: int) -> None:
    """Unbiased by construction: what is accepted is a whole number of rounds of `total`."""
    limit = 2**256 // total * total
    rejected = 0
    for nonce in range(1, 60):
        attempt = 0
        while True:
            message = f"seed:{nonce}" + (f":{attempt}" if attempt else "")
            digest = hmac.new(b"ab" * 32, message.encode(), hashlib.sha256).hexdigest()
            if int(digest, 16) < limit:
                break
            attempt += 1
            rejected += 1
        assert draw.roll("ab" * 32, "seed", nonce, total) == int(digest, 16) % total
    assert rejected > 0


def test_seed_is_long_and_its_hash_is_of_its_text() -> None:
    seeds = {draw.new_server_seed() for _ in range(100)}
    assert len(seeds) == 100 and {len(seed) for seed in seeds} == {64}
    seed = seeds.pop()
    assert draw.seed_hash(seed) == hashlib.sha256(seed.encode("ascii")).hexdigest()
    assert len({draw.new_client_seed() for _ in range(100)}) == 100


def test_rolls_of_many_seeds_hit_every_line_about_as_often_as_they_should() -> None:
    # 6,000 rolls over 6 lines: 1,000 each, and 5 standard deviations are 144.
    hits = [0] * 6
    for nonce in range(6_000):
        hits[draw.roll("cd" * 32, "fair", nonce, 6)] += 1
    assert all(abs(count - 1_000) < 144 for count in hits)
