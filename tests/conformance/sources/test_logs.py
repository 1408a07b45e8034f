"""Logs of a real cloud's services become facts, whoever wrote them; and what a folder of them does while it is read."""

import json
from pathlib import Path

import pytest

from conformance.sources import SourceError, make_source
from conformance.sources.journal import complete, journal_entries
from conformance.sources.loglines import LogReader, actor_of, once_each
from conformance.sources.logs import LogsSource
from tests.conformance.recording import FIREHOSE, SCENARIOS, Recording, direct

REQUEST, OTHER = "req-19cd14a3-5afa-4643-a40c-007e9ff634a1", "req-21417ac1-c687-4eb0-8188-ab71543cee08"
SERVER = "6193fd6f-dcdc-421f-9ac2-fd5244f538a0"
LOGGED = {3, 9, 10, 11, 13, 18, 19, 21, 22, 24, 25, 27, 28}
STAMP = "2026-11-23 04:55:08.620 7661"
DAY = "23/Nov/2026"
CONTEXT = f"[None {REQUEST} user1 project1 - - default default]"


def read(*lines: str, name: str = "nova-compute.log") -> list:
    reader = LogReader(name)
    for line in lines:
        reader.read(line)
    return once_each(reader.facts(frozenset({REQUEST}), frozenset({SERVER})))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_logs_of_a_real_cloud_are_direct_witnesses(scenario):
    rows = Recording(scenario).judged(Recording(scenario).logged())
    assert direct(rows, "logs") == LOGGED
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_sources_together_agree(scenario):
    recording = Recording(scenario)
    rows = recording.judged([*recording.logged(), *recording.traced(), *recording.tapped()], FIREHOSE)
    spared = {4, 20, 23, 26} if scenario == "image-volume" else set()  # keystonemiddleware's cache was on
    assert {n for n, row in rows.items() if row.how == "direct"} == set(range(1, 29)) - spared
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_the_same_request_in_two_logs_is_one_fact(tmp_path):
    posts = [fact for fact in Recording("image-volume").logged() if fact.name == "POST /v2.1/servers"]
    assert [(fact.actor, fact.get("status"), fact.clock) for fact in posts] == [("nova-api", 202, "logs nova-api.log")]


def test_two_requests_that_are_alike_are_two_facts():
    """glance takes its caller's global id for its own."""
    asked = [fact.name.removeprefix("GET /v2/images/") for fact in Recording("image-volume").logged() if fact.actor == "glance"]
    assert [path.partition("/")[2] for path in asked if not path.startswith(("GET", "glance"))] == ["", "", "file"]


ACCESS = {
    f'{STAMP} INFO nova.api.openstack.requestlog {CONTEXT} 10.0.0.1 "POST /v2.1/servers" status: 202 len: 3 time: 2.5': ("POST", 202),
    f'{STAMP} INFO neutron.wsgi {CONTEXT} 10.0.0.1,10.0.0.2 "GET /v2.0/ports?a=b HTTP/1.1" status: 200  len: 7 time: 0.08': ("GET", 200),
    f'{STAMP} INFO eventlet.wsgi.server {CONTEXT} 10.0.0.1 - - [{DAY} 04:55:08] "GET /v2/images HTTP/1.1" 200 9 0.03': ("GET", 200),
    f"{DAY}:04:55:07 +0000 10.0.0.1 GET /v3/x 404 64ms in=0 out=973 reqid={OTHER} greqid={REQUEST}": ("GET", 404),
    f'10.0.0.1 - - [{DAY}:04:55:07 +0000] "PUT /allocations/{SERVER} HTTP/1.1" 204 0 "-" "nova-scheduler"': ("PUT", 204),
    f"[pid: 1] 10.0.0.1 () {{40 vars in 600 bytes}} [{DAY}:04:55:07] GET /allocations/{SERVER} "
    "=> generated 252 bytes in 13 msecs (HTTP/1.1 200) 5 headers": ("GET", 200),
}


@pytest.mark.parametrize(("line", "seen"), ACCESS.items())
def test_access_lines_of_every_server_are_requests(line, seen):
    (fact,) = read(line)
    assert (fact.kind, fact.get("method"), fact.get("status")) == ("http.server", *seen)
    assert "?" not in fact.get("path")


def test_the_global_request_id_joins_a_line_to_its_launch():
    line = f"{STAMP} INFO cinder.volume.api [{REQUEST} {OTHER} u p - - default default] Volume info retrieved successfully."
    (fact,) = read(line, name="cinder-api.log")
    assert (fact.request_ids, fact.actor, fact.get("user_id")) == ({REQUEST, OTHER}, "cinder", "u")


def test_beginning_and_end_of_a_request_are_one():
    own = f"[{REQUEST} {OTHER} - - - - - -]"
    (fact,) = read(
        f"2026-11-23 04:55:10.140 7 INFO cinder.api.openstack.wsgi {own} PUT http://127.0.0.1:8776/v3/attachments/a",
        f"2026-11-23 04:55:10.498 7 INFO cinder.api.openstack.wsgi {own} http://127.0.0.1:8776/v3/attachments/a returned with HTTP 200",
        name="cinder-api.log",
    )
    assert (fact.name, fact.get("status"), round(fact.end - fact.start, 3)) == ("PUT /v3/attachments/a", 200, 0.358)


def test_a_traceback_is_one_fact_with_the_line_it_belongs_to():
    (fact, after) = read(
        f"{STAMP} ERROR nova.compute.manager {CONTEXT} [instance: {SERVER}] Instance failed to spawn",
        f"{STAMP} ERROR nova.compute.manager [instance: {SERVER}] Traceback (most recent call last):",
        f'{STAMP} ERROR nova.compute.manager [instance: {SERVER}]   File "manager.py", line 1, in spawn',
        "  a line that a driver printed",
        f"{STAMP} ERROR nova.compute.manager [instance: {SERVER}] ",
        f"2026-11-23 04:55:09.000 7661 INFO nova.compute.manager {CONTEXT} after it",
    )
    assert "Instance failed to spawn" in fact.get("message") and "in spawn" in fact.get("message")
    assert (fact.server_ids, after.get("message")) == ({SERVER}, "after it")


def test_a_token_in_a_log_is_not_kept():
    (fact,) = read(f"{STAMP} DEBUG keystoneauth {CONTEXT} X-Auth-Token: gAAAAA{'x' * 60}")
    assert "gAAAA" not in fact.get("message")


@pytest.mark.parametrize(
    "line",
    ["", "   ", "\x00\x01", "Traceback (most recent call last):", "]", f"{STAMP} INFO", "9999-99-99 99:99:99.999 1 INFO a [-] b",
     "23/Foo/2026:04:55:07 GET /x 200", '"GET /x" 200'],
)  # fmt: skip
def test_garbage_is_left_out(line):
    assert read(line, line) == []


@pytest.mark.parametrize(
    ("name", "logger", "actor"),
    [
        ("nova/nova-compute.log", "nova.scheduler.client.report", "nova-compute"), ("nova-uwsgi.out", "", "nova-api"),
        ("devstack@n-cpu.service", "", "nova-compute"), ("devstack@q-svc.service", "", "neutron"),
        ("all.log", "nova.filters", "nova-scheduler"),
        ("syslog", "keystone.server", "keystone"), ("nova-api/nova-conductor.log", "", "nova-conductor"), ("x", "some.thing", "some"),
    ],
)  # fmt: skip
def test_whose_log_it_is(name, logger, actor):
    assert actor_of(name, logger) == actor


# the journal

MESSAGE = f"INFO nova.compute.claims {CONTEXT} [instance: {SERVER}] Claim successful on node host1"


def entry(message: str) -> dict[str, str]:
    stamp = {"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1795409708620000", "_SYSTEMD_UNIT": "devstack@n-cpu.service", "_HOSTNAME": "h"}
    return {**stamp, "MESSAGE": message}


def exported(entries: list[dict[str, str]]) -> bytes:
    """With the message as the journal writes what is of more than one line: length and bytes."""
    written = b""
    for one in entries:
        for key, value in one.items():
            data = value.encode()
            written += key.encode() + (b"\n" + len(data).to_bytes(8, "little") + data if key == "MESSAGE" else b"=" + data) + b"\n"
        written += b"\n"
    return written


@pytest.mark.parametrize("form", ["json", "export"])
def test_an_export_of_the_journal_is_read_by_its_units(form, tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b"")
    source = LogsSource({"where": str(path)}, None)
    source.open()
    entries = [entry(f"\x1b[01;35m{MESSAGE}\x1b[00m"), entry("a word\n" + MESSAGE.replace("host1", "host2"))]
    path.write_bytes(exported(entries) if form == "export" else "".join(json.dumps(one) + "\n" for one in entries).encode())
    facts = source.facts({REQUEST}, {SERVER})
    assert [(fact.actor, fact.get("message")) for fact in facts] == [
        ("nova-compute", "Claim successful on node host1\na word"), ("nova-compute", "Claim successful on node host2")
    ]  # fmt: skip
    assert {fact.start for fact in facts} == {1795409708.62}


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"MESSAGE": 5}\n[1]\nnull\n', b"KEY\n\xff", b"=\n\n=", b"\n\n\n", b"A=1\nMESSAGE\n" + b"\xff" * 9]
)
def test_garbage_in_the_journal_is_left_out(data):
    list(journal_entries(data))
    complete(data)


# the folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nova-compute.log").write_text(f"{STAMP} INFO a {CONTEXT} before\n")
    return tmp_path


@pytest.fixture
def source(folder):
    opened = LogsSource({"path": str(folder)}, None)
    opened.open()
    return opened


def messages(source: LogsSource) -> list[str]:
    return [fact.get("message") for fact in source.facts({REQUEST}, set())]


def append(folder, text: str, name: str = "nova-compute.log") -> None:
    with (folder / name).open("a") as log:
        log.write(text)


def test_only_what_is_written_meanwhile_counts(folder, source):
    append(folder, f"{STAMP} INFO a {CONTEXT} one\n")
    assert messages(source) == ["one"]
    append(folder, f"{STAMP} INFO a {CONTEXT} two\n")
    assert messages(source) == ["one", "two"]


def test_a_line_that_is_not_finished_is_read_when_it_is(folder, source):
    append(folder, f"{STAMP} INFO a {CONTEXT} half")
    assert messages(source) == []
    append(folder, " and half\n")
    assert messages(source) == ["half and half"]


def test_a_new_file_is_read_from_its_beginning(folder, source):
    append(folder, f"{STAMP} INFO a {CONTEXT} new\n", "nova-conductor.log")
    assert messages(source) == ["new"]


@pytest.mark.parametrize("how", ["cut off", "replaced"])
def test_a_rotated_file_goes_on(folder, source, how):
    path = folder / "nova-compute.log"
    if how == "cut off":
        path.write_text("")
    else:
        path.rename(folder / "nova-compute.log.1.gz")
    append(folder, f"{STAMP} INFO a {CONTEXT} new\n")
    assert messages(source) == ["new"]


def test_a_file_that_goes_away_takes_nothing_along(folder, source):
    append(folder, f"{STAMP} INFO a {CONTEXT} last word\n")
    append(folder, "x", "other.log")
    assert messages(source) == ["last word"]
    (folder / "nova-compute.log").unlink()
    assert messages(source) == ["last word"]


@pytest.mark.parametrize(("where", "said"), [("", "needs a file or a folder"), ("/no/such/logs", "there is no /no/such/logs")])
def test_logs_that_are_not_there_are_one_sentence(where, said):
    with pytest.raises(SourceError, match=said):
        make_source("logs", {"where": where}, None).open()


def test_an_empty_folder_has_no_log(tmp_path):
    with pytest.raises(SourceError, match="there is no log in"):
        make_source("logs", {"where": str(tmp_path)}, None).open()


def test_a_log_that_may_not_be_read_is_one_sentence(folder, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        make_source("logs", {"where": str(folder)}, None).open()
