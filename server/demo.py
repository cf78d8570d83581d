"""The demo club: accounts with money, cases to open, people who talk, and what they plan."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiohttp import web

from events import BalanceUpdated, CasesUpdated, ChatMessage
from handlers.calendar import tell_answer, tell_event
from handlers.dialogs import limits_of, tell_message
from server.club import accounts, calendar, cases, chat, dialogs, ledger
from server.config import write_private
from server.db import Transaction
from server.identity import Member
from server.keys import CONFIG, DB, PASSWORDS, SIO

log = structlog.get_logger(__name__)

ACCOUNTS = (
    ("admin", "admin", 0),
    ("staff", "staff", 0),
    ("player1", "member", 500_000),
    ("player2", "member", 300_000),
)


def _line(
    name: str, art: str, rarity: str, value: int, weight: int, stock: int | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"/static/art/item-{art}.svg",
        "rarity": rarity,
        "value": value,
        "weight": weight,
        "stock": stock,
    }


# On average a case gives back about 85 % of its price.
CASES: tuple[dict[str, Any], ...] = (
    {
        "name": "Starter",
        "image": "/static/art/case-starter.svg",
        "price": 9_900,
        "items": [
            _line("Sticker pack", "sticker", "common", 3_000, 420),
            _line("Energy drink", "energy", "common", 6_000, 300),
            _line("One hour of play", "hours", "uncommon", 12_000, 200),
            _line("Bonus coins", "coins", "rare", 30_000, 70),
            _line("Club T-shirt", "tshirt", "epic", 90_000, 10),
        ],
    },
    {
        "name": "Neon Night",
        "image": "/static/art/case-neon.svg",
        "price": 24_900,
        "items": [
            _line("Energy drink", "energy", "common", 6_000, 600),
            _line("Three hours of play", "hours", "uncommon", 25_000, 300),
            _line("Bonus coins", "coins", "rare", 50_000, 80),
            _line("Gaming mouse", "mouse", "epic", 250_000, 17),
            _line("Headset", "headset", "legendary", 600_000, 3),
        ],
    },
    {
        "name": "Weekend",
        "image": "/static/art/case-weekend.svg",
        "price": 49_900,
        "items": [
            _line("Night pass", "hours", "uncommon", 30_000, 700),
            _line("Club T-shirt", "tshirt", "rare", 50_000, 220),
            _line("Weapon skin", "skin", "rare", 80_000, 65),
            _line("Mechanical keyboard", "keyboard", "epic", 450_000, 13),
            _line("Tournament trophy", "trophy", "legendary", 0, 2, stock=3),
        ],
    },
    {
        "name": "Legend",
        "image": "/static/art/case-legend.svg",
        "price": 149_900,
        "items": [
            _line("Weapon skin", "skin", "uncommon", 70_000, 700),
            _line("Headset", "headset", "rare", 200_000, 250),
            _line("Mechanical keyboard", "keyboard", "epic", 450_000, 45),
            _line("Gaming chair", "chair", "legendary", 1_800_000, 4, stock=5),
            _line("Graphics card", "gpu", "legendary", 6_000_000, 1, stock=1),
        ],
    },
)


CHAT = (
    ("player2", "Good evening! Anybody up for a match?"),
    ("player1", "In ten minutes, I am opening one more case."),
    ("staff", "The tournament begins at eight. See you there!"),
)

# Who writes, and what; the first of them begins the dialog.
TALK = (
    ("player1", "Hello! The mouse at PC 12 double-clicks."),
    ("staff", "Thank you! Take the one from PC 14 for now, we will bring a new one."),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """An event of the demo; it begins at a whole hour, so many hours from now."""

    owner: str
    hours: int
    title: str
    location: str
    description: str
    capacity: int
    visibility: str
    invited: tuple[str, ...]
    come: tuple[str, ...]


PLANS = (
    Plan(
        "staff",
        50,
        "Club cup, 5 on 5",
        "Main hall",
        "Teams are drawn at the door.\nBring a mouse of your own if you like.",
        10,
        "public",
        invited=("player1", "player2"),
        come=("player2",),
    ),
    Plan(
        "player2",
        122,
        "Training after the cup",
        "PC 11 to 15",
        "",
        5,
        "private",
        invited=("player1",),
        come=(),
    ),
)


async def fill(app: web.Application) -> None:
    """Fill an empty database; one that holds accounts is left as it is.

    Everything goes through the club's own rules: the money through the ledger.
    """
    path = app[CONFIG].var_dir / "demo-accounts.json"
    async with app[DB].connection() as connection:
        if await accounts.exist(connection):
            return
    log.info("filling the demo club")
    made = {
        name: {"username": name, "password": secrets.token_urlsafe(9)} for name, _, _ in ACCOUNTS
    }
    hashes = {
        name: await app[PASSWORDS].hash(account["password"]) for name, account in made.items()
    }
    sio = app[SIO]
    # Written first: accounts whose passwords nobody knows would be of no use.
    write_private(path, made)
    people: dict[str, Member] = {}
    async with app[DB].transaction() as tx:
        for name, role, balance_minor in ACCOUNTS:
            member = people[name] = await accounts.register(tx, name, hashes[name], role=role)
            if balance_minor:
                after = await ledger.post(tx, member.id, balance_minor, "deposit", "demo")
                await sio.emit(BalanceUpdated(member.id, after), tx=tx)
        for case in CASES:
            await cases.create(tx, **case)
        await sio.emit(CasesUpdated(), tx=tx)
        for name, text in CHAT:
            await sio.emit(ChatMessage.of(await chat.say(tx, people[name], text)), tx=tx)
        await _talk(app, tx, people)
        for plan in PLANS:
            await _plan(app, tx, people, plan)


async def _talk(app: web.Application, tx: Transaction, people: dict[str, Member]) -> None:
    (name, text), *answers = TALK
    begun = await dialogs.create(
        tx, people[name], subject="PC 12", member_ids=(), text=text, limits=limits_of(app)
    )
    await tell_message(app, tx, begun)
    for name, text in answers:
        sent = await dialogs.send(tx, people[name], begun.dialog.id, text=text)
        await tell_message(app, tx, sent)


async def _plan(
    app: web.Application, tx: Transaction, people: dict[str, Member], plan: Plan
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    starts_at = now + timedelta(hours=plan.hours)
    draft = calendar.Draft(
        plan.title,
        plan.description,
        plan.location,
        starts_at,
        starts_at + timedelta(hours=3),
        plan.capacity,
        plan.visibility,
    )
    owner, invited = people[plan.owner], [people[name].id for name in plan.invited]
    config = app[CONFIG]
    most, monthly = config.participants_max, config.events_per_month
    made = await calendar.create(tx, owner, draft, invited, most=most, monthly=monthly)
    await tell_event(app, tx, owner, made)
    for name in plan.come:
        done = await calendar.answer(tx, people[name], made.event.id, "accepted", most=most)
        await tell_answer(app, tx, people[name], done)
