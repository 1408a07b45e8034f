"""Options: defaults, file, environment, arguments."""

from __future__ import annotations

import pytest

from mockcloud.settings import HostSeed, Settings, SettingsError, load


def written(tmp_path, text: str) -> str:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return str(file)


def test_each_source_wins_over_the_one_before(tmp_path):
    file = written(tmp_path, "port = 1\ntoken_life = 1\nseed = 1")
    environ = {"MOCKCLOUD_TOKEN_LIFE": "2", "MOCKCLOUD_SEED": "2", "PATH": "/bin"}
    settings = load(file, environ, seed=3, host=None)
    assert (settings.port, settings.token_life, settings.seed, settings.host) == (1, 2, 3, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STRICT", "yes", True),
        ("STRICT", "0", False),
        ("CLOCK_SPEED", "2.5", 2.5),
        ("REGION", "Two", "Two"),
        ("HOSTS", "2", (HostSeed("compute1", 16, 65_536, 1_024), HostSeed("compute2", 8, 32_768, 512))),
    ],
)
def test_the_environment_is_text_and_becomes_what_the_option_is(name, text, value):
    assert getattr(load(None, {f"MOCKCLOUD_{name}": text}), name.lower()) == value


def test_hosts_can_be_described_one_by_one(tmp_path):
    file = written(tmp_path, '[[hosts]]\nname = "big"\nvcpus = 128\n[[hosts]]\nname = "small"\nzone = "west"')
    assert load(file, {}).hosts == (HostSeed("big", vcpus=128), HostSeed("small", zone="west"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "red"}, "unknown option colour"),
        ({"port": "many"}, "port takes int, not 'many'"),
        ({"port": 65_536}, "port takes a port number"),
        ({"port": -1}, "port takes a port number"),
        ({"clock_speed": 0}, "clock_speed takes a number above 0"),
        ({"clock_speed": "fast"}, "clock_speed takes float"),
        ({"hosts": 0}, "at least one compute host"),
        ({"hosts": [{"nam": "x"}]}, "hosts:"),
        ({"ports": "some"}, "single or classic"),
        ({"dialect": "modern"}, "dialect takes classic or cells_v2"),
        ({"max_concurrent_builds": -1}, "max_concurrent_builds takes a number from 0"),
        ({"vif_plugging_timeout": -1.0}, "vif_plugging_timeout takes a number of seconds"),
        ({"max_attempts": 0}, "max_attempts takes"),
        ({"token_life": 0}, "token_life takes"),
        ({"strict": "perhaps"}, "strict takes"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_a_sentence(changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        load(None, {}, **changes)


def test_settings_never_change_but_can_be_had_changed():
    settings = Settings()
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
    assert settings.replace(port=1).port == 1
    assert settings.port == 5000
