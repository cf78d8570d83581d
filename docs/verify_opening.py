"""Check an opening offline: python3 verify_opening.py commitment.json opening.json [case.json]

opening.json    the answer of GET /api/cases/openings/{id}
commitment.json the answer of GET /api/cases/commitment, saved before the opening
case.json       the answer of GET /api/cases/{id}, saved before it too: checks the chances

One file that holds all of their fields will do as well. Exits with 0 when everything holds.
docs/fairness.md explains each step.
"""

import hashlib
import hmac
import json
import sys


def roll(seed, message, total):
    """HMAC-SHA256 as a number below `total`; what would favour small numbers is rejected."""
    attempt, text = 0, message
    while True:
        number = int(hmac.new(seed.encode(), text.encode(), "sha256").hexdigest(), 16)
        if number < 2**256 - 2**256 % total:
            return number % total
        attempt += 1
        text = f"{message}:{attempt}"


def pick(lines, rolled):
    """The first line whose running sum of weights is above the roll."""
    running = 0
    for line in lines:
        running += line["weight"]
        if rolled < running:
            return line


def mistakes(commitment, opening, item, lines, case=None, **_):
    """Everything that does not hold, in sentences."""
    seed, total = opening["serverSeed"], sum(line["weight"] for line in lines)
    hashes = {hashlib.sha256(seed.encode()).hexdigest(), opening["serverSeedHash"]}
    if hashes != {commitment["serverSeedHash"]}:
        yield "The seed is not the one whose hash was shown before."
    if opening["nonce"] != commitment["nonce"]:
        yield "The hash was shown for another opening."
    rolled = roll(seed, f"{opening['clientSeed']}:{opening['nonce']}", total)
    if rolled != opening["roll"]:
        yield f"The roll is {rolled}, not {opening['roll']}."
    won = pick(lines, rolled)
    if (won["id"], won["name"]) != (item["id"], item["name"]):
        yield f"The roll falls on {won['name']}, not on {item['name']}."
    weights = {line["id"]: line["weight"] for line in lines}
    for shown in case["items"] if case else ():
        if abs(shown["chance"] - weights.get(shown["id"], 0) / total) > 0.000001:
            yield f"{shown['name']} was shown with another chance."


if __name__ == "__main__":
    facts = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            facts.update(json.load(file))
    if not {"commitment", "opening", "item", "lines"} <= facts.keys():
        sys.exit(__doc__)
    found = list(mistakes(**facts))
    print("\n".join(found) or "This opening is as it should be.")
    sys.exit(1 if found else 0)
