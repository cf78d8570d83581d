"""The script for players finds nothing wrong with genuine openings, and everything with others."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.club import draw

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_opening.py"


def genuine(weights: tuple[int, ...] = (700, 250, 50), client_seed: str = "счастливое 7") -> Any:
    """An opening as the API tells of it, drawn by the club's own code."""
    server_seed, nonce = draw.new_server_seed(), 5
    rolled = draw.roll(server_seed, client_seed, nonce, sum(weights))
    items = [{"id": 10 + i, "name": f"Prize {i}"} for i in range(len(weights))]
    shares = draw.chances(weights)
    seed_hash = draw.seed_hash(server_seed)
    return {
        "success": True,
        "commitment": {"serverSeedHash": seed_hash, "nonce": nonce},
        "opening": {
            "id": 1,
            "serverSeedHash": seed_hash,
            "serverSeed": server_seed,
            "clientSeed": client_seed,
            "nonce": nonce,
            "roll": rolled,
        },
        "item": items[draw.pick(weights, rolled)],
        "lines": [i | {"weight": w} for i, w in zip(items, weights, strict=True)],
        "case": {"items": [i | {"chance": c} for i, c in zip(items, shares, strict=True)]},
    }


def verify(folder: Path, *contents: Any) -> tuple[int, str]:
    """Run the script as a player does, on a file for each of the contents."""
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(content))
        paths.append(str(path))
    # -I -S: the standard library and nothing of ours.
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *paths], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("weights", [(1,), (1, 1), (700, 250, 50), (10**9, 1, 10**9)])
def test_a_genuine_opening_is_confirmed(tmp_path: Path, weights: tuple[int, ...]) -> None:
    for _ in range(3):
        assert verify(tmp_path, genuine(weights)) == (0, "This opening is as it should be.\n")


def test_rejected_rolls_are_taken_again_as_the_club_does(tmp_path: Path) -> None:
    # Half of all numbers lie above the only multiple of this total: ten openings would all
    # pass without rejection once in a thousand runs.
    for _ in range(10):
        code, said = verify(tmp_path, genuine((2**254, 2**254, 1)))
        assert code == 0, said


def test_the_answers_may_be_in_files_of_their_own(tmp_path: Path) -> None:
    whole = genuine()
    commitment = {"success": True, "commitment": whole.pop("commitment")}
    case = {"success": True, "case": whole.pop("case")}
    assert verify(tmp_path, commitment, whole)[0] == 0
    assert verify(tmp_path, commitment, whole, case)[0] == 0


def another(item: Any, lines: Any) -> Any:
    return next(line for line in lines if line["id"] != item["id"])


def other_seed(told: Any) -> None:
    told["opening"]["serverSeed"] = draw.new_server_seed()


def other_seed_with_its_hash(told: Any) -> None:
    other_seed(told)
    told["opening"]["serverSeedHash"] = draw.seed_hash(told["opening"]["serverSeed"])


def other_hash_in_the_opening(told: Any) -> None:
    told["opening"]["serverSeedHash"] = "0" * 64


def other_commitment(told: Any) -> None:
    told["commitment"]["serverSeedHash"] = "0" * 64


def commitment_of_another_opening(told: Any) -> None:
    told["commitment"]["nonce"] += 1


def other_client_seed(told: Any) -> None:
    told["opening"]["clientSeed"] += "!"


def other_roll(told: Any) -> None:
    told["opening"]["roll"] += 1


def other_item(told: Any) -> None:
    told["item"] = another(told["item"], told["lines"])


def same_item_by_another_name(told: Any) -> None:
    told["item"]["name"] += " (cheap)"


def other_weights(told: Any) -> None:
    for line in told["lines"]:
        line["weight"] = 10**9 if line["id"] != told["item"]["id"] else 1


def weights_scaled_towards_the_same_item(told: Any) -> None:
    # The roll is made to fit the lie: only the chances shown before give it away.
    told["lines"] = [told["item"] | {"weight": 1}]
    told["opening"]["roll"] = 0


def no_lines(told: Any) -> None:
    told["lines"] = []


def no_commitment(told: Any) -> None:
    del told["commitment"]


@pytest.mark.parametrize(
    "tamper",
    [
        other_seed,
        other_seed_with_its_hash,
        other_hash_in_the_opening,
        other_commitment,
        commitment_of_another_opening,
        other_client_seed,
        other_roll,
        other_item,
        same_item_by_another_name,
        other_weights,
        weights_scaled_towards_the_same_item,
        no_lines,
        no_commitment,
    ],
)
def test_a_tampered_opening_is_refused(tmp_path: Path, tamper: Any) -> None:
    # Total of a prime, so that another seed does not give the same roll in practice.
    told = genuine((999_999_937, 1_000_000_007, 999_999_893))
    assert verify(tmp_path, told)[0] == 0
    tampered = copy.deepcopy(told)
    tamper(tampered)
    code, said = verify(tmp_path, tampered)
    assert code != 0
    assert "as it should be" not in said
