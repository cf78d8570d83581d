"""Payment callbacks: both signature schemes, written here a second time, and one credit each."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
import structlog

from server.config import Config, Provider
from tests.club import Answer, Club, Person
from tests.conftest import JWT_SECRET, PAYMENT_SECRET, make_config

OLD_SECRET = "the secret that is being rotated out"
DESK_SECRET = "the desk's own secret of thirty-two"

_numbers = iter(range(1, 10_000))


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """One provider in the middle of a rotation, and one that signs headers only."""
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        providers=(
            Provider("smartshell", (PAYMENT_SECRET, OLD_SECRET)),
            Provider("desk", (DESK_SECRET,), ("standard-webhooks",)),
        ),
    )


def new_id() -> str:
    return f"tx-{next(_numbers)}"


def written(fields: dict[str, str], signature: str | None = None) -> str:
    """A body from the JSON texts of its values, so that `10.50` stays as it is."""
    texts = dict(fields)
    if signature is not None:
        texts["signature"] = json.dumps(signature)
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def canonical(fields: dict[str, str]) -> str:
    """The text that the `body` scheme signs: `amount=10.50\\nstatus=success\\n…`."""
    lines = []
    for name in sorted(fields):
        value = fields[name]
        lines.append(f"{name}={json.loads(value) if value.startswith(chr(34)) else value}")
    return "\n".join(lines)


def sign(fields: dict[str, str], secret: str = PAYMENT_SECRET) -> str:
    return hmac.new(secret.encode(), canonical(fields).encode(), hashlib.sha256).hexdigest()


def callback(person: Person | int, **changes: str) -> dict[str, str]:
    """The JSON texts of a callback's fields; an empty text leaves a field out."""
    fields = {
        "userId": str(person if isinstance(person, int) else person.id),
        "amount": "10.50",
        "status": '"success"',
        "transactionId": json.dumps(new_id()),
        "timestamp": str(int(time.time())),
    } | changes
    return {name: text for name, text in fields.items() if text}


async def post(club: Club, raw: str | bytes, headers: dict[str, str] | None = None) -> Answer:
    sent = {"Content-Type": "application/json"} | (headers or {})
    return await club.call("POST", "/api/payment/callback", raw=raw, headers=sent)


async def deliver(
    club: Club, fields: dict[str, str], secret: str = PAYMENT_SECRET, signature: str | None = None
) -> Answer:
    return await post(club, written(fields, signature or sign(fields, secret)))


def webhook(
    body: str, secret: str = PAYMENT_SECRET, at: float | None = None, message_id: str = "msg_1"
) -> dict[str, str]:
    """The headers of the Standard Webhooks specification 1.0."""
    timestamp = str(int(time.time() if at is None else at))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


async def rows(database: Any) -> tuple[int, ...]:
    """How much there is of everything that a callback may write."""
    return tuple(
        await database.fetchrow(
            "SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM payment_credits),"
            " (SELECT count(*) FROM event_log),"
            " (SELECT count(*) FROM payments WHERE status = 'paid')"
        )
    )


# --- the body scheme -------------------------------------------------------------------------


def test_canonical_text_is_the_one_of_the_design() -> None:
    fields = callback(7, transactionId='"abc"', timestamp="1763690000")
    assert canonical(fields) == (
        "amount=10.50\nstatus=success\ntimestamp=1763690000\ntransactionId=abc\nuserId=7"
    )


async def test_signed_callback_credits_and_tells_the_member(club: Club, player: Person) -> None:
    before = (await player.get("/api/updates"))["cursor"]

    answer = await deliver(club, callback(player))

    assert (answer.status, answer.body) == (200, {"success": True})
    assert await player.balance() == 110.5
    told = (await player.get(f"/api/updates?after={before}"))["events"]
    assert told[0]["event"] == f"balance:updated:{player.id}"
    assert told[0]["data"] == {"balance": 110.5}
    assert [event["event"] for event in told[1:]] == ["notification:new"]
    posting = (await player.get("/api/transactions?limit=1"))["transactions"][0]
    assert (posting["kind"], posting["amount"]) == ("deposit", 10.5)


@pytest.mark.parametrize("amount", ["10.5", "10.50", "10", "10.0", "0.01"])
async def test_number_is_signed_exactly_as_it_was_written(
    club: Club, player: Person, amount: str
) -> None:
    assert (await deliver(club, callback(player, amount=amount))).status == 200
    assert await player.balance() == pytest.approx(100 + float(amount), abs=0.001)


async def test_signature_over_another_writing_of_the_number_is_refused(
    club: Club, player: Person
) -> None:
    fields = callback(player, amount="10.50")
    other = sign(fields | {"amount": "10.5"})
    assert (await deliver(club, fields, signature=other))["code"] == "invalid_signature"
    assert await player.balance() == 100


async def test_ids_and_times_may_be_text_or_numbers(club: Club, player: Person) -> None:
    now = str(int(time.time()))
    for changes in (
        {"userId": f'"{player.id}"'},
        {"timestamp": f'"{now}"'},
        {"userId": f'"{player.id}"', "timestamp": f'"{now}"'},
        {"transactionId": "90000000001"},
    ):
        assert (await deliver(club, callback(player, **changes))).status == 200, changes
    assert await player.balance() == 142


async def test_escapes_stand_in_the_signed_text_as_what_they_mean(
    club: Club, player: Person, database: Any
) -> None:
    fields = callback(player, transactionId='"\\u041f\\u043b\\u0430\\u0442\\u0451\\u0436/1"')
    assert (await deliver(club, fields)).status == 200
    known = await database.fetchval(
        "SELECT user_id FROM payment_credits WHERE transaction_id = 'Платёж/1'"
    )
    assert known == player.id


async def test_cyrillic_values_are_signed_as_utf8(club: Club, player: Person) -> None:
    assert (await deliver(club, callback(player, transactionId='"Заказ №7"'))).status == 200
    assert await player.balance() == 110.5


async def test_secret_that_is_rotated_out_still_signs(club: Club, player: Person) -> None:
    assert (await deliver(club, callback(player), OLD_SECRET)).status == 200
    assert (await deliver(club, callback(player), PAYMENT_SECRET)).status == 200
    refused = await deliver(club, callback(player), "a secret that nobody has configured")
    assert refused["code"] == "invalid_signature"
    assert await player.balance() == 121


@pytest.mark.parametrize("off_s", [-290, 290])
async def test_clock_may_be_almost_five_minutes_off(
    club: Club, player: Person, off_s: int
) -> None:
    fields = callback(player, timestamp=str(int(time.time()) + off_s))
    assert (await deliver(club, fields)).status == 200


@pytest.mark.parametrize(
    "timestamp",
    [-310, 310, "0", "-1", "", '""', '"now"', "1e9", "1763690000.5", "9" * 30, '" 1763690000"'],
)
async def test_time_that_is_off_or_none_is_refused(
    club: Club, player: Person, database: Any, timestamp: Any
) -> None:
    if isinstance(timestamp, int):
        timestamp = str(int(time.time()) + timestamp)
    before = await rows(database)
    refused = await deliver(club, callback(player, timestamp=timestamp))
    assert (refused.status, refused["code"]) == (400, "invalid_signature")
    assert await rows(database) == before


@pytest.mark.parametrize(
    "signature",
    ["", "00", "0" * 64, "подпись", "\u0130" * 8, "z" * 64, "x" * 5000, "sha256=" + "0" * 64],
)
async def test_wrong_signature_writes_nothing(
    club: Club, player: Person, database: Any, signature: str
) -> None:
    before = await rows(database)
    with structlog.testing.capture_logs() as lines:
        refused = await post(club, written(callback(player), signature))
    assert (refused.status, refused["code"]) == (400, "invalid_signature")
    assert await rows(database) == before
    assert any("callback refused" in each["event"] for each in lines)


async def test_missing_signature_writes_nothing(
    club: Club, player: Person, database: Any
) -> None:
    before = await rows(database)
    refused = await post(club, written(callback(player)))
    assert (refused.status, refused["code"]) == (400, "invalid_signature")
    assert await rows(database) == before


@pytest.mark.parametrize("name", ["amount", "userId", "status", "transactionId", "timestamp"])
async def test_field_changed_after_the_signing_is_refused(
    club: Club, player: Person, database: Any, name: str
) -> None:
    fields = callback(player)
    signature = sign(fields)
    changed = callback(player, amount="99", userId="1", timestamp=str(int(time.time()) - 9))
    changed |= {"status": '"Success"'}
    before = await rows(database)
    refused = await deliver(club, fields | {name: changed[name]}, signature=signature)
    assert refused["code"] == "invalid_signature"
    assert await rows(database) == before


async def test_field_added_after_the_signing_is_refused(club: Club, player: Person) -> None:
    fields = callback(player)
    refused = await deliver(club, fields | {"note": '"x"'}, signature=sign(fields))
    assert refused["code"] == "invalid_signature"


@pytest.mark.parametrize("value", ["a\nuserId=1", "a\x00", "a\u2028b", "a\x1bb", "\ud800"])
async def test_control_characters_are_refused_even_when_signed(
    club: Club, player: Person, database: Any, value: str
) -> None:
    fields = callback(player, transactionId=json.dumps(value))
    before = await rows(database)
    text = canonical(fields).encode("utf-8", "surrogatepass")
    signature = hmac.new(PAYMENT_SECRET.encode(), text, hashlib.sha256).hexdigest()
    refused = await post(club, written(fields, signature))
    assert (refused.status, refused["code"]) == (400, "validation_failed")
    assert await rows(database) == before


async def test_name_that_stands_twice_is_refused(club: Club, player: Person) -> None:
    fields = callback(player)
    body = written(fields, sign(fields))
    refused = await post(club, body[:-1] + ', "amount": 10.50}')
    assert (refused.status, refused["code"]) == (400, "malformed_json")
    assert await player.balance() == 100


@pytest.mark.parametrize(
    "raw", ["", "null", "[]", "7", '"x"', "{", b"\xff\xfe", "[" * 100_000, '{"amount": NaN}']
)
async def test_body_that_is_no_callback_is_refused(club: Club, raw: Any) -> None:
    refused = await post(club, raw)
    assert refused.status == 400
    assert refused["code"] in ("malformed_json", "validation_failed", "invalid_signature")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "10.505"}, "amount"),
        ({"amount": "1e1"}, "amount"),
        ({"amount": '"10"'}, "amount"),
        ({"amount": ""}, "amount"),
        ({"userId": "0"}, "userId"),
        ({"userId": str(2**53)}, "userId"),
        ({"userId": '"07"'}, "userId"),
        ({"userId": "7.0"}, "userId"),
        ({"transactionId": '""'}, "transactionId"),
        ({"transactionId": json.dumps("x" * 129)}, "transactionId"),
        ({"transactionId": ""}, "transactionId"),
        ({"status": ""}, "status"),
        ({"note": '"x"'}, "note"),
    ],
)
async def test_signed_callback_with_odd_values_is_refused(
    club: Club, player: Person, database: Any, changes: dict[str, str], field: str
) -> None:
    before = await rows(database)
    refused = await deliver(club, callback(player, **changes))
    assert (refused.status, refused["code"]) == (400, "validation_failed")
    assert refused["fields"].keys() == {field}
    assert await rows(database) == before


# --- standard webhooks -----------------------------------------------------------------------


@pytest.mark.parametrize("secret", [PAYMENT_SECRET, OLD_SECRET, DESK_SECRET])
async def test_webhook_signed_by_its_headers_credits(
    club: Club, player: Person, secret: str
) -> None:
    body = written(callback(player, timestamp=""))
    answer = await post(club, body, webhook(body, secret))
    assert (answer.status, answer.body) == (200, {"success": True})
    assert await player.balance() == 110.5


async def test_webhook_with_several_signatures_needs_one_that_is_right(
    club: Club, player: Person
) -> None:
    body = written(callback(player, timestamp=""))
    headers = webhook(body)
    wrong = "v1," + base64.b64encode(b"x" * 32).decode()
    headers["webhook-signature"] = f"{wrong} v1a,abc {headers['webhook-signature']}"
    assert (await post(club, body, headers)).status == 200


async def test_webhook_that_is_not_signed_right_writes_nothing(
    club: Club, player: Person, database: Any
) -> None:
    body = written(callback(player, timestamp=""))
    good = webhook(body)
    before = await rows(database)
    refused = {
        "too old": webhook(body, at=time.time() - 310),
        "too new": webhook(body, at=time.time() + 310),
        "unknown secret": webhook(body, "a secret that nobody has configured"),
        "another body": webhook(body.replace("10.50", "10.5")),
        "another id": good | {"webhook-id": "msg_2"},
        "another time": good | {"webhook-timestamp": str(int(time.time()) - 60)},
        "time is no number": good | {"webhook-timestamp": "nan"},
        "endless time": good | {"webhook-timestamp": "1e400"},
        "another version": good | {"webhook-signature": "v2" + good["webhook-signature"][2:]},
        "no base64": good | {"webhook-signature": "v1,@@@"},
        "no comma": good | {"webhook-signature": "v1"},
        "no letters": good | {"webhook-signature": "v1,подпись"},
        "only the id": {"webhook-id": "msg_1"},
    }
    for what, headers in refused.items():
        answer = await post(club, body, headers)
        assert (answer.status, answer["code"]) == (400, "invalid_signature"), what
    assert await rows(database) == before


async def test_webhook_header_decides_the_scheme(club: Club, player: Person) -> None:
    fields = callback(player)
    body = written(fields, sign(fields))
    refused = await post(club, body, {"webhook-id": "msg_1"})
    assert refused["code"] == "invalid_signature"


async def test_provider_is_held_to_its_own_scheme(club: Club, player: Person) -> None:
    assert (await deliver(club, callback(player), DESK_SECRET))["code"] == "invalid_signature"


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"userId": 1, "userId": 2}', "[" * 100_000])
async def test_signed_webhook_that_is_no_callback_says_what_is_wrong(
    club: Club, body: str
) -> None:
    answer = await post(club, body, webhook(body))
    assert answer.status == 400
    assert answer["code"] in ("malformed_json", "validation_failed")


# --- one credit ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "failed", "refunded", "Success", "успех"])
async def test_other_status_credits_nothing_and_does_not_stand_in_the_way(
    club: Club, player: Person, database: Any, status: str
) -> None:
    transaction = json.dumps(new_id())
    before = await rows(database)
    other = await deliver(
        club, callback(player, transactionId=transaction, status=json.dumps(status))
    )
    assert (other.status, other.body) == (200, {"success": False})
    assert await rows(database) == before

    good = await deliver(club, callback(player, transactionId=transaction))
    late = await deliver(
        club, callback(player, transactionId=transaction, status=json.dumps(status))
    )
    assert (good.body, late.body) == ({"success": True}, {"success": False})
    assert await player.balance() == 110.5


async def test_repeat_is_answered_and_credits_once(
    club: Club, player: Person, database: Any
) -> None:
    fields = callback(player)
    await deliver(club, fields)
    before = await rows(database)
    for _ in range(3):
        again = await deliver(club, fields)
        assert (again.status, again.body) == (200, {"success": True})
    assert await rows(database) == before


async def test_repeat_by_the_other_scheme_is_the_same_transaction(
    club: Club, player: Person
) -> None:
    fields = callback(player)
    await deliver(club, fields)
    body = written({name: text for name, text in fields.items() if name != "timestamp"})
    assert (await post(club, body, webhook(body))).status == 200
    assert await player.balance() == 110.5


async def test_repeat_with_other_facts_credits_nothing_and_is_logged(
    club: Club, player: Person, database: Any
) -> None:
    other = await club.person(has_password=False)
    transaction = json.dumps(new_id())
    await deliver(club, callback(player, transactionId=transaction))
    before = await rows(database)
    for fields in (
        callback(other, transactionId=transaction),
        callback(player, transactionId=transaction, amount="1000"),
    ):
        with structlog.testing.capture_logs() as lines:
            answer = await deliver(club, fields)
        assert answer.status == 200
        assert any(each["log_level"] == "warning" for each in lines)
    assert await rows(database) == before
    assert (await player.balance(), await other.balance()) == (110.5, 0)


async def test_same_transaction_of_another_provider_is_another_one(
    club: Club, player: Person
) -> None:
    fields = callback(player, timestamp="")
    body = written(fields)
    for secret in (PAYMENT_SECRET, DESK_SECRET, PAYMENT_SECRET, DESK_SECRET):
        assert (await post(club, body, webhook(body, secret))).status == 200
    assert await player.balance() == 121


async def test_unknown_member_is_not_found_and_nothing_is_kept(
    club: Club, database: Any
) -> None:
    before = await rows(database)
    answer = await deliver(club, callback(2**53 - 1))
    assert (answer.status, answer["code"]) == (404, "user_not_found")
    assert await rows(database) == before


# --- payments of our own ---------------------------------------------------------------------


async def asked_for(player: Person, amount: float = 25) -> Any:
    answer = await player.post("/api/payment/create", {"amount": amount})
    assert answer.status == 201
    return answer["payment"]


async def test_member_asks_for_a_payment_and_it_becomes_paid(
    club: Club, player: Person, database: Any
) -> None:
    payment = await asked_for(player)
    assert payment.keys() == {"id", "amount", "status", "payUrl"}
    # Outside the demo there is no page of ours to pay on.
    assert (payment["amount"], payment["status"], payment["payUrl"]) == (25, "pending", None)

    for _ in range(2):
        fields = callback(player, transactionId=json.dumps(str(payment["id"])), amount="25.00")
        assert (await deliver(club, fields)).body == {"success": True}

    assert await player.balance() == 125
    paid = "SELECT status FROM payments WHERE id = $1"
    assert await database.fetchval(paid, payment["id"]) == "paid"


async def test_payment_that_does_not_match_is_refused(
    club: Club, player: Person, database: Any
) -> None:
    other = await club.person(has_password=False)
    payment = await asked_for(player)
    transaction = str(payment["id"])
    before = await rows(database)
    for fields in (
        callback(player, transactionId=transaction, amount="24.99"),
        callback(other, transactionId=json.dumps(transaction), amount="25"),
    ):
        refused = await deliver(club, fields)
        assert (refused.status, refused["code"]) == (400, "payment_mismatch")
    assert await rows(database) == before
    good = callback(player, transactionId=transaction, amount="25")
    assert (await deliver(club, good)).status == 200


async def test_paid_payment_is_credited_once_whichever_provider_says_so(
    club: Club, player: Person
) -> None:
    payment = await asked_for(player)
    fields = callback(player, transactionId=str(payment["id"]), amount="25", timestamp="")
    body = written(fields)
    answers = await asyncio.gather(
        *(post(club, body, webhook(body, secret)) for secret in (PAYMENT_SECRET, DESK_SECRET) * 3)
    )
    assert [answer.body for answer in answers] == [{"success": True}] * 6
    assert await player.balance() == 125


async def test_only_members_ask_for_payments(club: Club) -> None:
    assert (await club.call("POST", "/api/payment/create", {"amount": 1})).status == 401


# --- the command line ------------------------------------------------------------------------


def cyberhub_payment_sign(*arguments: str) -> str:
    """What `cyberhub payment sign` prints with the club's secrets in its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "server", "payment", "sign", *arguments],
        env=os.environ | {"JWT_SECRET": JWT_SECRET, "PAYMENT_SECRET": PAYMENT_SECRET},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_callback_signed_by_the_command_is_accepted(club: Club, player: Person) -> None:
    arguments = ("--user-id", str(player.id), "--amount", "10.50", "--transaction-id", "Касса 1")
    body = await asyncio.to_thread(cyberhub_payment_sign, *arguments, "--body-only")
    assert (await post(club, body.encode())).body == {"success": True}
    assert await player.balance() == 110.5


async def test_curl_line_of_the_command_carries_what_the_server_wants(
    club: Club, player: Person
) -> None:
    arguments = ("--user-id", str(player.id), "--amount", "7")
    said = await asyncio.to_thread(
        cyberhub_payment_sign, *arguments, "--scheme", "standard-webhooks"
    )
    headers = {}
    for each in said.splitlines():
        each = each.strip().removesuffix("\\").strip()
        if each.startswith("-H "):
            name, _, value = each[4:-1].partition(": ")
            headers[name] = value
        elif each.startswith("-d "):
            body = each[4:-1]
    assert (await post(club, body, headers)).body == {"success": True}
    assert await player.balance() == 107
