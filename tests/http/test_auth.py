"""Signing in: accounts, tokens of our own and of others, roles, limits, and what stays secret."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
import structlog

from server.config import Config, Issuer
from server.keys import AUTH
from tests.club import PASSWORD, Answer, Club, Person, SocketDoor, until
from tests.conftest import JWT_SECRET, make_config
from tests.http.conftest import somebody_waits, somebody_waits_second

ISSUER = Issuer("https://platform.example/auth/v1", "a platform's secret of 32 letters", "club")


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The address that tests come from is a proxy's, and a foreign issuer is known."""
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        issuers=(ISSUER,),
        login_failures_per_name="2/5 minutes",
        login_attempts_per_name="5/5 minutes",
        login_attempts_per_address="6/5 minutes",
        trusted_proxies=(ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8")),
    )


@pytest.fixture(scope="module")
async def account(club: Club) -> Person:
    """A member with a password, for all tests that only need one."""
    return await club.person()


_addresses = iter(range(1, 10_000))


def from_somewhere() -> dict[str, str]:
    """The headers of a visitor whose address nobody had before."""
    number = next(_addresses)
    return {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"}


async def log_in(club: Club, username: str, password: str = PASSWORD, **rest: Any) -> Answer:
    return await club.call(
        "POST",
        "/api/auth/login",
        {"username": username, "password": password},
        **{"headers": from_somewhere()} | rest,
    )


async def register(club: Club, username: Any, password: Any = PASSWORD) -> Answer:
    return await club.call(
        "POST", "/api/auth/register", {"username": username, "password": password}
    )


def claims(subject: Any, **changes: Any) -> dict[str, Any]:
    """The claims of a token that is good for an hour; None takes a claim away."""
    made = {"sub": str(subject), "exp": int(time.time()) + 3600} | changes
    return {name: value for name, value in made.items() if value is not None}


def signed(payload: dict[str, Any], secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    # The signature alone: what a claim may hold is the server's business, not the library's.
    return jwt.PyJWS().encode(json.dumps(payload).encode(), secret, algorithm=algorithm)


def foreign(subject: str, secret: str = ISSUER.secret, **changes: Any) -> str:
    """A token as the configured foreign issuer would make it."""
    named = {"iss": ISSUER.issuer, "aud": ISSUER.audience}
    return signed(claims(subject, **(named | changes)), secret)


def unpadded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def is_refusal(answer: Answer, status: int, code: str) -> bool:
    """Whether this is the envelope of an error, and nothing more than that."""
    body = answer.body
    names = {"success", "error", "code", "requestId"}
    assert answer.status == status, body
    assert names <= body.keys() <= names | {"fields"}
    assert body["success"] is False and body["code"] == code, body
    assert body["requestId"] == answer.headers["X-Request-ID"]
    return True


# --- accounts --------------------------------------------------------------------------------


async def test_registering_answers_a_token_that_works_at_once(club: Club) -> None:
    before = datetime.now(UTC)
    answer = await register(club, "newcomer")

    assert answer.status == 200
    assert answer.body.keys() == {"success", "token", "expiresAt", "user"}
    assert answer["success"] is True
    assert answer["user"] == {
        "id": answer["user"]["id"],
        "username": "newcomer",
        "role": "member",
        "balance": 0,
    }
    assert answer["expiresAt"].endswith("Z")
    assert datetime.fromisoformat(answer["expiresAt"]) > before
    me = await club.call("GET", "/api/me", token=answer["token"])
    assert me["user"] == answer["user"]


async def test_own_token_is_hs256_with_the_id_as_text(account: Person) -> None:
    assert jwt.get_unverified_header(account.token)["alg"] == "HS256"
    read = jwt.decode(account.token, JWT_SECRET, algorithms=["HS256"])
    assert read["sub"] == str(account.id)


async def test_logging_in_answers_what_registering_does(club: Club, account: Person) -> None:
    answer = await log_in(club, account.username)

    assert answer.status == 200
    assert answer.body.keys() == {"success", "token", "expiresAt", "user"}
    assert answer["user"]["id"] == account.id
    assert (await club.call("GET", "/api/me", token=answer["token"])).status == 200


async def test_logging_in_with_the_name_in_other_case_is_the_same_member(
    club: Club, account: Person
) -> None:
    answer = await log_in(club, account.username.upper())
    assert (answer.status, answer["user"]["id"]) == (200, account.id)


async def test_wrong_password_and_unknown_name_look_the_same(club: Club, account: Person) -> None:
    wrong = await log_in(club, account.username, "not the password")
    unknown = await log_in(club, "nobody-has-this-name")

    assert is_refusal(wrong, 401, "wrong_credentials")
    assert is_refusal(unknown, 401, "wrong_credentials")
    assert wrong["error"] == unknown["error"]


async def test_member_without_a_password_cannot_log_in(club: Club) -> None:
    guest = await club.person(has_password=False)
    for password in (PASSWORD, "None"):
        assert is_refusal(await log_in(club, guest.username, password), 401, "wrong_credentials")


async def test_refreshing_gives_a_token_of_the_same_member(club: Club, account: Person) -> None:
    answer = await account.post("/api/auth/refresh")

    assert answer.status == 200
    assert answer.body.keys() == {"success", "token", "expiresAt"}
    me = await club.call("GET", "/api/me", token=answer["token"])
    assert me["user"]["id"] == account.id


async def test_refreshing_without_a_token_is_refused(club: Club) -> None:
    assert is_refusal(await club.call("POST", "/api/auth/refresh"), 401, "unauthorized")


@pytest.mark.parametrize("again", ["Taken-Name", "TAKEN-NAME", "taken-name"])
async def test_taken_name_in_any_case_is_refused(club: Club, again: str) -> None:
    await register(club, "Taken-Name")
    assert is_refusal(await register(club, again), 400, "username_taken")


async def test_one_name_registered_twice_at_once_makes_one_account(
    club: Club, database: Any
) -> None:
    answers = await asyncio.gather(register(club, "twins"), register(club, "TWINS"))

    assert sorted(answer.status for answer in answers) == [200, 400]
    assert await database.fetchval("SELECT count(*) FROM users WHERE username_key = 'twins'") == 1


@pytest.mark.parametrize(
    "name",
    [
        "\u0430dmin",  # A Cyrillic а before Latin letters.
        "admin\u0456",
        "ad\u200bmin",
        "\uff41dmin",
        "ab",
        "a" * 33,
        "with space",
        "new\nline",
        "nul\x00name",
        "\ud800\ud800\ud800",
        "",
    ],
)
async def test_name_of_mixed_alphabets_or_odd_letters_is_refused(club: Club, name: str) -> None:
    answer = await register(club, name)
    assert is_refusal(answer, 400, "validation_failed")
    assert answer["fields"].keys() == {"username"}


async def test_russian_name_is_welcome(club: Club) -> None:
    answer = await register(club, "Алёна_77")
    assert (answer.status, answer["user"]["username"]) == (200, "Алёна_77")
    assert (await log_in(club, "алёна_77")).status == 200


@pytest.mark.parametrize("password", ["1234567", "", 12345678, None, "x" * 257, "\ud800" * 8])
async def test_password_that_is_short_or_no_text_is_refused(club: Club, password: Any) -> None:
    answer = await register(club, "short-password", password)
    assert is_refusal(answer, 400, "validation_failed")
    assert answer["fields"].keys() == {"password"}


# --- our own tokens --------------------------------------------------------------------------


async def test_token_that_is_not_ours_is_refused(club: Club, account: Person) -> None:
    header, payload, signature = account.token.split(".")
    other_payload = unpadded(claims(1))
    refused = {
        "tampered": f"{header}.{other_payload}.{signature}",
        "signature cut": f"{header}.{payload}.{signature[:-4]}",
        "alg none": f'{unpadded({"alg": "none", "typ": "JWT"})}.{unpadded(claims(account.id))}.',
        "HS512": signed(claims(account.id), JWT_SECRET * 2, "HS512"),
        "HS512, our key": signed(claims(account.id), JWT_SECRET.ljust(64), "HS512"),
        "wrong secret": signed(claims(account.id), "another secret that has thirty-two bytes"),
        "no exp": signed(claims(account.id, exp=None)),
        "no sub": signed(claims(account.id, sub=None)),
        "names an issuer": signed(claims(account.id, iss="https://elsewhere.example")),
        "nobody": signed(claims(2**53 - 1)),
        "subject beyond bigint": signed(claims(10**15 * 9999)),
        "subject with zeros": signed(claims(f"00{account.id}")),
        "subject is no id": signed(claims("admin")),
        "exp is text": signed(claims(account.id, exp="soon")),
        "exp is numeric text": signed(claims(account.id, exp="99999999999")),
        "exp beyond time": signed(claims(account.id, exp=10**30)),
        "not valid yet": signed(claims(account.id, nbf=int(time.time()) + 600)),
        "two parts": f"{header}.{payload}",
        "no token": "x",
        "not ascii": "токен",
        "huge": "a" * 8_050,
    }
    for what, token in refused.items():
        answer = await club.call(
            "GET", "/api/me", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status == 401, (what, answer.body)
        assert answer["code"] == "invalid_token", what
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), what


async def test_expired_token_says_that_it_expired(club: Club, account: Person) -> None:
    token = signed(claims(account.id, exp=int(time.time()) - 1))
    assert is_refusal(await club.call("GET", "/api/me", token=token), 401, "token_expired")


async def test_token_that_worked_says_that_it_expired_once_it_has(
    club: Club, account: Person
) -> None:
    token = signed(claims(account.id, exp=int(time.time()) + 3))
    assert (await club.call("GET", "/api/me", token=token)).status == 200

    async def refusal() -> Answer | None:
        answer = await club.call("GET", "/api/me", token=token)
        return answer if answer.status != 200 else None

    assert is_refusal(await until(refusal, "the token expires"), 401, "token_expired")


@pytest.mark.parametrize("path", ["/api/cases", "/api/updates", "/api/drops", "/health", "/"])
async def test_bad_token_is_refused_also_where_anonymous_is_welcome(
    club: Club, account: Person, path: str
) -> None:
    expired = signed(claims(account.id, exp=int(time.time()) - 1))
    for header in (f"Bearer {expired}", "Bearer x", "Bearer ", "Basic dXNlcjpwYXNz", account.token):
        answer = await club.call("GET", path, headers={"Authorization": header})
        assert answer.status == 401, (header, answer.body)
        assert answer["code"] in ("invalid_token", "token_expired")


async def test_scheme_of_the_header_is_read_in_any_case(club: Club, account: Person) -> None:
    header = {"Authorization": f"bearer {account.token}"}
    assert (await club.call("GET", "/api/me", headers=header)).status == 200


async def test_demoted_admin_is_refused_with_the_same_token(club: Club, database: Any) -> None:
    admin = await club.person(role="admin", has_password=False)
    assert (await admin.get("/api/admin/users")).status == 200

    await database.execute("UPDATE users SET role = 'member' WHERE id = $1", admin.id)

    assert is_refusal(await admin.get("/api/admin/users"), 403, "forbidden")
    assert (await admin.get("/api/me"))["user"]["role"] == "member"


async def test_members_who_ask_at_the_same_time_are_told_apart(
    club: Club, database: Any
) -> None:
    members = [await club.person(has_password=False) for _ in range(4)]
    nobody = signed(claims(2**53 - 1))
    async with database.transaction():
        # The first is being looked up, the others gather for the next statement.
        await database.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(members[0].get("/api/me"))
        await somebody_waits(database)
        others = [asyncio.create_task(each.get("/api/me")) for each in (*members, members[0])]
        gone = asyncio.create_task(members[1].get("/api/me"))
        stranger = asyncio.create_task(club.call("GET", "/api/me", token=nobody))

        async def all_have_come() -> bool:
            return club.app[AUTH].members.waiting == 7

        await until(all_have_come, "seven wait to be looked up")
        gone.cancel()
    answers = await asyncio.gather(first, *others)

    asked = [members[0], *members, members[0]]
    assert [answer["user"]["id"] for answer in answers] == [each.id for each in asked]
    assert is_refusal(await stranger, 401, "invalid_token")


async def test_role_written_into_a_token_counts_for_nothing(club: Club) -> None:
    member = await club.person(has_password=False)
    token = signed(claims(member.id, role="admin"))
    answer = await club.call("GET", "/api/admin/users", token=token)
    assert is_refusal(answer, 403, "forbidden")


# --- a foreign issuer ------------------------------------------------------------------------


async def test_unknown_foreign_subject_becomes_one_member_and_stays_it(club: Club) -> None:
    first = await club.call("GET", "/api/me", token=foreign("7c9e6679-unknown"))
    again = await club.call("GET", "/api/me", token=foreign("7c9e6679-unknown"))

    assert first.status == 200
    assert (first["user"]["role"], first["balance"]) == ("member", 0)
    assert again["user"] == first["user"]


async def test_foreign_subject_hears_of_itself_from_its_first_connection_on(
    club: Club, account: Person, config: Config
) -> None:
    """Nothing but the socket has shown the token before, and the log has a past."""
    await (await club.admin()).post(
        "/api/admin/balance/add", {"userId": account.id, "amount": 1}
    )
    await club.settled()
    async with Club.open(config) as later:
        token = foreign("comes by a socket")
        door = SocketDoor(later, "websocket", {"token": token})
        await door.open()
        me = await later.call("GET", "/api/me", token=token)
        member = me["user"]["id"]
        await (await later.admin()).post(
            "/api/admin/balance/add", {"userId": member, "amount": 3}
        )

        assert await door.hears(f"balance:updated:{member}") == {"balance": 3}
        await door.close()


async def test_foreign_subject_that_reads_like_a_local_id_is_somebody_else(
    club: Club, account: Person
) -> None:
    stranger = await club.call("GET", "/api/me", token=foreign(str(account.id)))
    assert stranger.status == 200
    assert stranger["user"]["id"] != account.id


async def test_role_claim_of_a_foreign_token_is_ignored(club: Club) -> None:
    token = foreign("wants-to-rule", role="admin", app_metadata={"role": "admin"})
    assert (await club.call("GET", "/api/me", token=token))["user"]["role"] == "member"
    assert is_refusal(
        await club.call("GET", "/api/admin/users", token=token), 403, "forbidden"
    )


async def test_foreign_token_with_wrong_audience_secret_or_claims_is_refused(
    club: Club, database: Any
) -> None:
    before = await database.fetchval("SELECT count(*) FROM users")
    refused = {
        "wrong audience": foreign("someone", aud="another-club"),
        "no audience": foreign("someone", aud=None),
        "our secret": foreign("someone", JWT_SECRET),
        "issuer as a list": foreign("someone", iss=[ISSUER.issuer]),
        "issuer with a slash more": foreign("someone", iss=ISSUER.issuer + "/"),
        "no exp": foreign("someone", exp=None),
        "empty subject": foreign(""),
        "subject with NUL": foreign("a\x00b"),
        "subject of half a pair": foreign("a\ud800b"),
        "endless subject": foreign("x" * 300),
        "exp is numeric text": foreign("someone", exp="99999999999"),
    }
    for what, token in refused.items():
        answer = await club.call("GET", "/api/me", token=token)
        assert answer.status == 401, (what, answer.body)
    own_secret = signed(claims("1"), ISSUER.secret)
    assert (await club.call("GET", "/api/me", token=own_secret)).status == 401
    assert await database.fetchval("SELECT count(*) FROM users") == before


async def test_two_first_requests_at_once_make_one_member(club: Club, database: Any) -> None:
    token = foreign("comes-twice-at-once")
    async with database.transaction():
        # The first has made its account and cannot record yet whose it is; the second has
        # looked for the identity and not found it.
        await database.execute("LOCK TABLE identities IN SHARE ROW EXCLUSIVE MODE")
        requests = [
            asyncio.create_task(club.call("GET", "/api/me", token=token)) for _ in range(2)
        ]
        await somebody_waits(database)
        await somebody_waits_second(database)
    answers = await asyncio.gather(*requests)

    assert {answer.status for answer in answers} == {200}
    assert len({answer["user"]["id"] for answer in answers}) == 1
    known = await database.fetchval(
        "SELECT count(*) FROM identities WHERE subject = 'comes-twice-at-once'"
    )
    assert known == 1


async def test_foreign_token_is_refreshed_where_it_was_issued(club: Club) -> None:
    answer = await club.call("POST", "/api/auth/refresh", token=foreign("refreshes"))
    assert is_refusal(answer, 400, "foreign_token")


# --- limits ----------------------------------------------------------------------------------


async def test_failures_of_one_name_end_in_429_and_leave_other_names_alone(club: Club) -> None:
    victim, other = await club.person(), await club.person()
    here = {"X-Forwarded-For": "203.0.113.20"}
    for _ in range(2):
        failed = await log_in(club, victim.username, "wrong password", headers=here)
        assert failed.status == 401

    locked = await log_in(club, victim.username, "wrong password", headers=here)
    assert is_refusal(locked, 429, "too_many_requests")
    assert 1 <= int(locked.headers["Retry-After"]) <= 300
    # Guessing on must not tell which password was right, nor help under another spelling.
    for name in (victim.username, victim.username.upper()):
        assert (await log_in(club, name, headers=here)).status == 429
    assert (await log_in(club, other.username)).status == 200
    # Whoever guesses from afar does not lock the owner out at home.
    assert (await log_in(club, victim.username)).status == 200


async def test_guesses_at_one_name_from_many_addresses_end_in_429_too(club: Club) -> None:
    answers = [await log_in(club, "wanted-by-many", f"password {n}") for n in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]


async def test_addresses_of_one_ipv6_network_count_as_one(club: Club) -> None:
    answers = [
        await log_in(club, f"six-{n}", "wrong one", headers={"X-Forwarded-For": address})
        for n, address in enumerate(
            [f"2001:db8::{n:x}" for n in range(1, 7)] + ["2001:0db8:0:0:ffff::1"]
        )
    ]
    assert [answer.status for answer in answers] == [401] * 6 + [429]


async def test_failures_at_once_are_limited_like_failures_in_turn(club: Club) -> None:
    here = {"X-Forwarded-For": "203.0.113.21"}
    answers = await asyncio.gather(
        *(log_in(club, "at-once", f"password {n}", headers=here) for n in range(4))
    )
    assert sorted(answer.status for answer in answers) == [401] * 2 + [429] * 2


async def test_successes_do_not_use_up_the_attempts_of_a_name(club: Club, account: Person) -> None:
    for _ in range(3):
        assert (await log_in(club, account.username)).status == 200


async def test_attempts_of_one_address_are_limited_whatever_the_name(club: Club) -> None:
    here = {"X-Forwarded-For": "203.0.113.7"}
    answers = [
        await log_in(club, f"somebody-{n}", "wrong password", headers=here) for n in range(7)
    ]

    assert [answer.status for answer in answers] == [401] * 6 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    elsewhere = await log_in(club, "somebody-0", "wrong password")
    assert elsewhere.status == 401


async def test_address_is_the_one_that_the_last_trusted_proxy_vouches_for(club: Club) -> None:
    # The visitor writes an address of its own first; two trusted proxies add what they saw.
    for n in range(6):
        chain = {"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.9, 10.0.0.5"}
        assert (await log_in(club, f"chain-{n}", "wrong password", headers=chain)).status == 401

    chain = {"X-Forwarded-For": "192.0.2.99, 203.0.113.9"}
    assert (await log_in(club, "chain-6", "wrong password", headers=chain)).status == 429


@pytest.fixture
async def open_to_the_street(dsn: str, tmp_path: Any) -> AsyncIterator[Club]:
    """A club on the same database that trusts no proxy, and bears little."""
    config = make_config(
        dsn,
        tmp_path,
        login_attempts_per_address="2/5 minutes",
        registrations_per_address="2/5 minutes",
    )
    async with Club.open(config) as club:
        yield club


async def test_forwarded_address_is_not_believed_without_a_trusted_proxy(
    open_to_the_street: Club,
) -> None:
    answers = [await log_in(open_to_the_street, f"street-{n}", "wrong one") for n in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]


async def test_registrations_of_one_address_are_limited(open_to_the_street: Club) -> None:
    answers = [await register(open_to_the_street, f"flood-{n}") for n in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


# --- what stays secret -----------------------------------------------------------------------


async def test_passwords_and_tokens_never_reach_the_log(
    club: Club, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    password = "my very secret password"
    with structlog.testing.capture_logs() as lines:
        joined = await register(club, "secretive", password)
        await log_in(club, "secretive", password)
        await log_in(club, "secretive", password + "!")
        await club.call("GET", "/api/me", token=joined["token"])
        await club.call("GET", "/api/me", token=joined["token"] + "x")
        await club.call("GET", f"/api/updates?token={joined['token']}")
        await club.call("GET", f"/api/nothing?token={joined['token']}")
    said = str(lines) + caplog.text + "".join(capfd.readouterr())

    assert any("/api/auth/login" in line["event"] for line in lines)
    for secret in (password, joined["token"], joined["token"].split(".")[2], JWT_SECRET, "argon2"):
        assert secret not in said


async def test_defect_shows_the_client_an_id_and_nothing_else(
    club: Club, account: Person, database: Any
) -> None:
    # A table that is gone is a defect as real as any.
    await database.execute("ALTER TABLE ledger RENAME TO ledger_away")
    try:
        with structlog.testing.capture_logs() as lines:
            answer = await account.get("/api/transactions")
    finally:
        await database.execute("ALTER TABLE ledger_away RENAME TO ledger")

    assert is_refusal(answer, 500, "internal_error")
    for hint in ("ledger", "SELECT", "Traceback", "asyncpg", ".py"):
        assert hint not in json.dumps(answer.body)
    assert any(line["log_level"] == "error" for line in lines)


async def test_given_request_id_is_kept_and_an_odd_one_is_not(club: Club) -> None:
    kept = await club.call("GET", "/api/nothing", headers={"X-Request-ID": "operator-1234"})
    odd = await club.call("GET", "/api/nothing", headers={"X-Request-ID": "<script>alert(1)"})

    assert kept["requestId"] == "operator-1234"
    assert odd["requestId"] != "<script>alert(1)"
    assert is_refusal(odd, 404, "not_found")
