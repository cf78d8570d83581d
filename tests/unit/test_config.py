"""Settings: what is refused at the start, and what is kept for the demo."""

import json
import stat
from pathlib import Path

import pytest

from server import config
from server.config import ConfigError, Issuer, Provider

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which only what the service needs is set."""
    for name in (
        "DATABASE_URL",
        "HOST",
        "JWT_ISSUERS",
        "PAYMENT_PROVIDERS",
        "PAYMENT_SECRET_PREVIOUS",
        "PORT",
        "REALTIME_ENABLED",
        "TRANSPORTS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv("PAYMENT_SECRET", SECRET)


def test_what_is_not_set_has_the_documented_value() -> None:
    loaded = config.load()
    assert (loaded.port, loaded.host, loaded.database_url) == (3000, "0.0.0.0", None)
    assert loaded.providers == (Provider("smartshell", (SECRET,)),)
    assert (loaded.realtime_enabled, loaded.transports) == (True, ("websocket", "polling"))


@pytest.mark.parametrize("name", ["JWT_SECRET", "PAYMENT_SECRET"])
@pytest.mark.parametrize("value", ["", "weak", "x" * 31])
def test_missing_or_short_secret_is_a_refusal_to_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        config.load()
    assert "secret" in str(refused.value).lower()
    # The message is read over somebody's shoulder, and kept in logs.
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "99999"),
        ("DATABASE_POOL", "0"),
        ("CURRENCY", ""),
        ("LOG_LEVEL", "LOUD"),
        ("UPDATES_MAX_WAIT_S", "-1"),
        ("LOGIN_FAILURES_PER_NAME", "many"),
        ("TRANSPORTS", "carrier-pigeon"),
        ("METRICS_ACCESS", "everybody"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("REALTIME_ENABLED", "maybe"),
        ("JWT_ISSUERS", "[{}]"),
        ("JWT_ISSUERS", "{"),
        ("JWT_ISSUERS", '[{"issuer": "i", "secret": "short", "audience": "a"}]'),
        ("PAYMENT_PROVIDERS", '[{"name": "n", "scheme": "handshake", "secrets": ["s"]}]'),
        ("PAYMENT_PROVIDERS", '[{"name": "n", "scheme": "body", "secrets": ["short"]}]'),
        ("PAYMENT_PROVIDERS", "7"),
    ],
)
def test_setting_that_makes_no_sense_is_a_refusal_to_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError):
        config.load()


def test_secrets_of_a_rotation_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SECRET_PREVIOUS", OTHER)
    assert config.load().providers == (Provider("smartshell", (SECRET, OTHER)),)


def test_issuers_and_providers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = {"issuer": "https://p.example", "secret": OTHER, "audience": "club"}
    provider = {"name": "desk", "scheme": "standard-webhooks", "secrets": [OTHER]}
    monkeypatch.setenv("JWT_ISSUERS", json.dumps([issuer]))
    monkeypatch.setenv("PAYMENT_PROVIDERS", json.dumps([provider]))
    loaded = config.load()
    assert loaded.issuers == (Issuer("https://p.example", OTHER, "club"),)
    assert loaded.providers[1] == Provider("desk", (OTHER,), ("standard-webhooks",))


def test_demo_makes_its_secrets_once_and_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JWT_SECRET")
    monkeypatch.delenv("PAYMENT_SECRET")
    first, second = config.load(demo=True), config.load(demo=True)

    assert first == second
    kept = tmp_path / "secrets.json"
    assert json.loads(kept.read_text()) == {
        "jwt_secret": first.jwt_secret,
        "payment_secret": first.providers[0].secrets[0],
    }
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(first.jwt_secret) >= 32
    assert list(tmp_path.iterdir()) == [kept]


def test_demo_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    assert config.load(demo=True).host == "127.0.0.1"
