"""The iCalendar feed, held against RFC 5545; its secret, which is the member's alone."""

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from structlog.testing import capture_logs

from server.config import Config
from tests.club import Answer, Club, Person
from tests.conftest import make_config
from tests.events import EVENING, answers, event, holds

SECRET = "/api/calendar/secret"

# RFC 5545 §3.1: name, parameters, value.
_LINE = re.compile(
    r'[A-Z0-9-]+(?:;[A-Z0-9-]+=(?:"[^"\x00-\x08\x0a-\x1f\x7f]*"|[^";:,\x00-\x08\x0a-\x1f\x7f]*))*'
    r":[^\x00-\x08\x0a-\x1f\x7f]*"
)
_MOMENT = re.compile(r"\d{8}T\d{6}Z")


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), calendar_feed_max=20)


async def address(person: Person) -> str:
    """The path of the person's feed."""
    answer = await person.get(SECRET)
    assert answer.status == 200
    url = str(answer["url"])
    assert url.startswith(person.club.url + "/api/calendar/") and url.endswith(".ics")
    return url.removeprefix(person.club.url)


async def feed(person: Person) -> Answer:
    """The feed, as a program without any token reads it."""
    answer = await person.club.call("GET", await address(person))
    assert answer.status == 200, answer.body
    return answer


def components(text: str) -> list[dict[str, str]]:
    """The events of a feed, parsed strictly and by the letter: value by name with parameters."""
    raw = text.encode()
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    folded = raw.split(b"\r\n")[:-1]
    # §3.1: no longer than 75 octets, and folded between characters.
    assert all(0 < len(line) <= 75 and line.decode() for line in folded)
    lines = raw.replace(b"\r\n ", b"").decode().split("\r\n")[:-1]
    assert all(_LINE.fullmatch(line) for line in lines), lines
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    events: list[dict[str, str]] = []
    head: dict[str, str] = {}
    inside = head
    for line in lines[1:-1]:
        if line == "BEGIN:VEVENT":
            events.append({})
            inside = events[-1]
        elif line == "END:VEVENT":
            inside = head
        else:
            name, _, value = line.partition(":")
            assert name not in inside, "once, all of them"
            inside[name] = value
    assert head == {
        "PRODID": "-//CyberHub//Calendar//EN",
        "VERSION": "2.0",
        "CALSCALE": "GREGORIAN",
        "REFRESH-INTERVAL;VALUE=DURATION": "PT1H",
        "X-PUBLISHED-TTL": "PT1H",
    }
    for each in events:
        assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "SEQUENCE", "STATUS"} <= set(each)
        for moment in ("DTSTAMP", "DTSTART", "DTEND", "CREATED", "LAST-MODIFIED"):
            assert _MOMENT.fullmatch(each[moment])
    parsed = Calendar.from_ical(text)
    assert [component.errors for component in parsed.walk()] == [[]] * (1 + len(events))
    assert len({each["UID"] for each in events}) == len(events)
    return events


def own(events: list[dict[str, str]], name: str) -> str:
    """The one value of a property whatever its parameters."""
    (value,) = [value for key, value in events[0].items() if key.split(";")[0] == name]
    return value


async def test_feed_is_icalendar_to_the_letter(club: Club) -> None:
    owner, guest = [await club.person(has_password=False) for _ in range(2)]
    title = "Кубок; финал, \\ " + "ночь " * 30
    description = "Первый тур\nBEGIN:VEVENT\nEND:VCALENDAR"
    made = await holds(owner, guest, title=title, description=description, location="Зал 2, левый")

    answer = await feed(guest)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    (seen,) = components(answer.body)
    assert (seen["DTSTART"], seen["DTEND"]) == ("20310516T180000Z", "20310516T210000Z")
    assert (seen["SEQUENCE"], seen["STATUS"]) == ("0", "CONFIRMED")
    (parsed,) = Calendar.from_ical(answer.body).walk("VEVENT")
    assert str(parsed["SUMMARY"]) == made["title"]
    assert str(parsed["DESCRIPTION"]) == description
    assert str(parsed["LOCATION"]) == "Зал 2, левый"
    assert parsed["ORGANIZER"].params["CN"] == owner.username
    assert parsed["ATTENDEE"].params["CN"] == guest.username
    assert parsed["ATTENDEE"].params["PARTSTAT"] == "NEEDS-ACTION"
    # The owner does not come before accepting.
    (held,) = components((await feed(owner)).body)
    assert held["UID"] == seen["UID"]
    assert not [name for name in held if name.startswith("ATTENDEE")]


async def test_answers_changes_and_cancelling_are_seen_in_the_feed(club: Club) -> None:
    owner, guest, other = [await club.person(has_password=False) for _ in range(3)]
    made = await holds(owner, guest, other, capacity=1)
    path = f"/api/events/{made['id']}"

    async def now() -> tuple[str, str, str, str]:
        (seen,) = components((await feed(guest)).body)
        (partstat,) = re.findall(r"PARTSTAT=([A-Z-]+)", " ".join(seen))
        return seen["UID"], seen["SEQUENCE"], seen["STATUS"], partstat

    uid = (await now())[0]
    await answers(guest, made, "accepted")
    assert await now() == (uid, "0", "CONFIRMED", "ACCEPTED")
    await answers(guest, made, "tentative")
    assert await now() == (uid, "0", "CONFIRMED", "TENTATIVE")
    # Who waits for a seat has no promise of it.
    await answers(other, made, "accepted")
    await answers(guest, made, "accepted")
    assert await now() == (uid, "0", "CONFIRMED", "TENTATIVE")
    await owner.call("PUT", path, event(title="Later", capacity=2))
    assert await now() == (uid, "1", "CONFIRMED", "ACCEPTED")
    await owner.call("DELETE", path)
    assert await now() == (uid, "2", "CANCELLED", "ACCEPTED")
    assert (await answers(guest, made, "declined")).status == 400


async def test_declined_events_and_those_of_others_are_not_in_it(club: Club) -> None:
    owner, guest = [await club.person(has_password=False) for _ in range(2)]
    made = await holds(owner, guest)
    await holds(owner, visibility="public")
    await answers(guest, made, "declined")
    assert components((await feed(guest)).body) == []


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Europe/Berlin"])
async def test_eight_in_the_evening_stays_so_over_a_change_of_summer_time(
    club: Club, zone: str
) -> None:
    owner = await club.person(has_password=False)
    # Berlin puts its clocks back on 2031-10-26, and forward on 2031-03-30.
    days = [(2031, 3, 29), (2031, 3, 30), (2031, 10, 25), (2031, 10, 26)]
    here = [datetime(*day, 20, 0, tzinfo=ZoneInfo(zone)) for day in days]
    for starts in here:
        ends = starts.astimezone(UTC) + timedelta(hours=2)
        await holds(owner, startsAt=starts.isoformat(), endsAt=ends.isoformat())

    read = [
        component.decoded("DTSTART").astimezone(ZoneInfo(zone))
        for component in Calendar.from_ical((await feed(owner)).body).walk("VEVENT")
    ]
    assert [(each.hour, each.minute) for each in read] == [(20, 0)] * 4
    assert [each.utcoffset() for each in read] == [each.utcoffset() for each in here]


async def test_unchanged_feed_is_304(club: Club) -> None:
    owner, guest = [await club.person(has_password=False) for _ in range(2)]
    made = await holds(owner, guest)
    path = await address(guest)
    first = await feed(guest)
    assert first.headers["Cache-Control"] == "private, no-cache"

    async def status() -> int:
        known = {"If-None-Match": first.headers["ETag"]}
        return (await club.call("GET", path, headers=known)).status

    assert await status() == 304
    await holds(owner)
    assert await status() == 304
    await answers(guest, made, "accepted")
    assert await status() == 200


async def test_feed_holds_no_more_than_the_bound(club: Club) -> None:
    owner = await club.person(has_password=False)
    for day in range(22):
        starts = EVENING + timedelta(days=day)
        ends = starts + timedelta(hours=1)
        await holds(owner, startsAt=starts.isoformat(), endsAt=ends.isoformat())
    seen = components((await feed(owner)).body)
    assert [each["DTSTART"][:8] for each in seen] == [
        (EVENING + timedelta(days=day)).strftime("%Y%m%d") for day in range(20)
    ]


# --- the secret ------------------------------------------------------------------------------


async def test_feed_that_is_read_without_end_is_slowed_down_and_others_are_not(
    dsn: str, tmp_path: Path
) -> None:
    async with Club.open(make_config(dsn, tmp_path, calendar_feed_burst=2)) as club:
        person, other = [await club.person(has_password=False) for _ in range(2)]
        path = await address(person)
        read = [await club.call("GET", path) for _ in range(3)]
        assert [answer.status for answer in read] == [200, 200, 429]
        assert int(read[-1].headers["Retry-After"]) >= 1
        # Who has the old address cannot use up the turns of the new one.
        old = await address(other)
        await other.post(SECRET)
        for _ in range(3):
            assert (await club.call("GET", old)).status == 404
        assert (await feed(other)).status == 200


async def test_new_secret_ends_the_old_one(club: Club) -> None:
    person = await club.person(has_password=False)
    old = await address(person)
    assert await address(person) == old
    answer = await person.post(SECRET)
    new = await address(person)
    assert answer["url"] == club.url + new
    assert new != old
    assert (await club.call("GET", new)).status == 200
    assert (await club.call("GET", old)).status == 404


async def test_feed_of_one_who_is_no_member_any_more_has_ended(club: Club) -> None:
    person = await club.person(has_password=False)
    path = await address(person)
    await club.give_role(person, "service")
    assert (await club.call("GET", path)).status == 404


async def test_nobody_else_can_make_a_secret(club: Club) -> None:
    person, other = [await club.person(has_password=False) for _ in range(2)]
    path = await address(person)
    secret = path.rpartition("/")[2].removesuffix(".ics")
    facts = base64.urlsafe_b64decode(secret + "==")
    forged = facts[:7] + bytes([other.id % 256]) + facts[8:]
    last = secret[:-1] + ("B" if secret[-1] == "A" else "A")
    wrong: list[str] = [
        base64.urlsafe_b64encode(forged).decode().rstrip("="),
        last,
        secret[:-1],
        secret + "=",
        secret + "A",
        secret.upper(),
        "x",
        "%00",
        "A" * 48,
        str(person.id),
        "é" * 20,
    ]
    for each in wrong:
        answer = await club.call("GET", f"/api/calendar/{each}.ics")
        assert (answer.status, answer["code"]) == (404, "not_found"), each
    for method in ("GET", "POST"):
        assert (await club.call(method, SECRET)).status == 401


async def test_secret_is_written_in_one_way_only(club: Club) -> None:
    """Decoders of base64 take more than one alphabet; whoever blocks one spelling blocks all."""
    person = await club.person(has_password=False)
    path = await address(person)
    while not {"-", "_"} & set(path):
        await person.post(SECRET)
        path = await address(person)
    assert (await club.call("GET", path)).status == 200
    head, secret = path[: -len(".ics")].rsplit("/", 1)
    for each in (secret.replace("-", "+").replace("_", "%2F"), f"{secret}%3D", f"{secret}%3D%3D"):
        assert (await club.call("GET", f"{head}/{each}.ics")).status == 404


async def test_secret_is_in_no_log_when_its_feed_cannot_be_read(
    club: Club, database: Any
) -> None:
    path = await address(await club.person(has_password=False))
    secret = path.rpartition("/")[2].removesuffix(".ics")
    await database.execute("ALTER TABLE calendar_feeds RENAME TO elsewhere")
    try:
        with capture_logs() as lines:
            assert (await club.call("GET", path)).status == 500
    finally:
        await database.execute("ALTER TABLE elsewhere RENAME TO calendar_feeds")
    (failed,) = [line for line in lines if line["log_level"] == "error"]
    assert "/api/calendar/" in failed["path"]
    assert secret not in str(lines)


async def test_secret_is_in_no_log(club: Club) -> None:
    person = await club.person(has_password=False)
    path = await address(person)
    secret = path.rpartition("/")[2].removesuffix(".ics")
    with capture_logs() as lines:
        for written in (path, path[:-4], path[:-6] + "x.ics", f"//calendar/{secret}"):
            await club.call("GET", written)
        await club.call("POST", path)
        await club.call("GET", path, token="bad")
    assert any("/api/calendar/" in line["event"] for line in lines)
    told: Any = str(lines)
    assert secret not in told and secret[:-2] not in told


async def test_address_is_the_public_one_where_it_is_set(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert config.database_url is not None
    public = make_config(
        config.database_url, tmp_path_factory.mktemp("var"), public_url="https://club.example"
    )
    async with Club.open(public) as club:
        person = await club.person(has_password=False)
        url = (await person.get(SECRET))["url"]
    assert url.startswith("https://club.example/api/calendar/")
