from argparse import ArgumentParser

import pytest

from chunkvault.cli.settings import add_global_arguments, read_settings
from chunkvault.errors import UsageError


def read(*words, **variables):
    parser = ArgumentParser()
    add_global_arguments(parser)
    environment = {f"CHUNKVAULT_{name}": value for name, value in variables.items()}
    return read_settings(parser.parse_args(words), environment)


def test_option_wins_over_variable():
    settings = read("-r", "/option", REPOSITORY="/variable")
    assert settings.repository == "/option"
    assert read(REPOSITORY="/variable").repository == "/variable"
    assert read(REPOSITORY="").repository is None


@pytest.mark.parametrize("kind", ["password_file", "password_command", "key_file"])
def test_secret_comes_from_option_or_variable(kind):
    option = f"--{kind.replace('_', '-')}"
    for settings in (read(option, "x"), read(**{kind.upper(): "x"})):
        assert (settings.secret.kind, settings.secret.value) == (kind, "x")


def test_secret_on_the_command_line_silences_those_of_the_environment():
    settings = read("--key-file", "k", PASSWORD="p", PASSWORD_FILE="f")
    assert settings.secret.kind == "key_file"


def test_two_sources_of_the_secret_are_refused():
    with pytest.raises(UsageError, match="CHUNKVAULT_PASSWORD and CHUNKVAULT_KEY_FILE"):
        read(PASSWORD="p", KEY_FILE="k")
    with pytest.raises(UsageError, match="--password-file and --key-file"):
        read("--password-file", "f", "--key-file", "k")


def test_terminal_is_asked_where_nothing_was_given():
    assert read().secret.kind == "terminal"


def test_password_does_not_stay_in_the_environment():
    environment = {"CHUNKVAULT_PASSWORD": "p", "HOME": "/home/me"}
    parser = ArgumentParser()
    add_global_arguments(parser)
    assert read_settings(parser.parse_args([]), environment).secret.value == "p"
    assert environment == {"HOME": "/home/me"}


def test_password_is_not_shown_with_the_settings():
    assert "secret word" not in repr(read(PASSWORD="secret word"))


def test_cache_is_chosen(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert read().cache_directory == b"/home/me/.cache/chunkvault"
    assert read("--cache-dir", "/a", CACHE_DIR="/b").cache_directory == b"/a"
    assert read(CACHE_DIR="/b").cache_directory == b"/b"
    assert read("--no-cache", CACHE_DIR="/b").cache_directory is None


@pytest.mark.parametrize(
    ("base", "expected"),
    [("/x", b"/x/chunkvault"), ("x", b"/home/me/.cache/chunkvault")],
)
def test_relative_xdg_cache_home_is_ignored(monkeypatch, base, expected):
    monkeypatch.setenv("HOME", "/home/me")
    parser = ArgumentParser()
    add_global_arguments(parser)
    settings = read_settings(parser.parse_args([]), {"XDG_CACHE_HOME": base})
    assert settings.cache_directory == expected


@pytest.mark.parametrize("words", [("-q", "-v"), ("--cache-dir", "/x", "--no-cache")])
def test_contradictions_are_refused(words):
    with pytest.raises(UsageError, match="contradict"):
        read(*words)


def test_no_color_is_respected():
    parser = ArgumentParser()
    add_global_arguments(parser)
    assert read_settings(parser.parse_args([]), {}).use_color
    assert not read_settings(parser.parse_args([]), {"NO_COLOR": "1"}).use_color


def read_passphrase_source(*words, **variables):
    parser = ArgumentParser()
    add_global_arguments(parser)
    parser.add_argument("--passphrase-file")
    parser.add_argument("--passphrase-command")
    return read_settings(parser.parse_args(words), variables).passphrase


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ((), {}, ("terminal", "")),
        (("--passphrase-file", "f"), {"PASSPHRASE": "p"}, ("passphrase_file", "f")),
        ((), {"PASSPHRASE": "p"}, ("passphrase", "p")),
        ((), {"CHUNKVAULT_DUPLICITY_PASSPHRASE": "o", "PASSPHRASE": "p"},
         ("passphrase", "o")),
        ((), {"CHUNKVAULT_DUPLICITY_PASSPHRASE_COMMAND": "c", "PASSPHRASE": "p"},
         ("passphrase_command", "c")),
    ],
)  # fmt: skip
def test_passphrase_of_an_archive_comes_from_ours_first(words, variables, expected):
    source = read_passphrase_source(*words, **variables)
    assert (source.kind, source.value) == expected


def test_passphrases_are_taken_out_of_the_environment():
    parser = ArgumentParser()
    add_global_arguments(parser)
    environment = {"PASSPHRASE": "p", "CHUNKVAULT_DUPLICITY_PASSPHRASE": "o"}
    settings = read_settings(parser.parse_args(()), environment)
    assert environment == {}
    assert settings.passphrase.value == "o"
    assert "'o'" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500", 500 * 1024),
        ("500K", 500 * 1024),
        ("2M", 2 << 20),
        ("1.5 MiB/s", 1.5 * (1 << 20)),
        ("1g", 1 << 30),
        ("0", None),
    ],
)
def test_rates_are_kibibytes_or_have_a_unit(text, rate):
    assert read("--limit-upload", text).upload_rate == rate
    assert read(LIMIT_DOWNLOAD=text).download_rate == rate


@pytest.mark.parametrize("text", ["fast", "-1", "5X", "1e3", "٣"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(UsageError, match="is no rate"):
        read(LIMIT_UPLOAD=text)


def test_connections_are_counted_from_one():
    assert read().connections == 5
    assert read("--connections", "20", CONNECTIONS="3").connections == 20
    assert read(CONNECTIONS="3").connections == 3
    for text in ("0", "-3", "many", "1001"):
        with pytest.raises(UsageError, match="number of connections"):
            read(CONNECTIONS=text)


def test_stores_see_the_environment_without_the_password():
    settings = read(PASSWORD="secret word", CONNECTIONS="7")
    assert "CHUNKVAULT_PASSWORD" not in settings.environment
    assert settings.environment["CHUNKVAULT_CONNECTIONS"] == "7"
    assert "CHUNKVAULT_CONNECTIONS" not in repr(settings)
