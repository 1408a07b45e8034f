"""Facts of several sources, together."""

from conformance.evidence import Evidence, Fact


def fact(source: str, kind: str = "rpc.publish", name: str = "select_destinations") -> Fact:
    return Fact(f"{source}:{kind}:{name}", source, kind, "", name, 1.0, clock=source)


def heard(evidence: Evidence, kind: str) -> list[str]:
    return sorted(found.source for found in evidence.those(kind))


def test_a_message_that_two_sources_show_is_counted_once():
    seen = Evidence([fact("osprofiler"), fact("amqp"), fact("amqp", name="run_instance")])
    assert [found.source for found in seen.those("rpc.publish", name="select_destinations")] == ["amqp"]
    assert len(seen.facts) == 3


def test_what_only_a_trace_shows_of_the_bus_is_there():
    assert heard(Evidence([fact("osprofiler")]), "rpc.publish") == ["osprofiler"]


def test_deliveries_are_told_by_whoever_tells_the_messages():
    """A tap without the broker's trace has none: those of a trace could not be joined to its messages."""
    assert heard(Evidence([fact("amqp"), fact("osprofiler"), fact("osprofiler", "rpc.deliver")]), "rpc.deliver") == []


def test_requests_are_shown_from_every_side():
    seen = Evidence([fact("osprofiler", "http.server"), fact("logs", "http.server")])
    assert heard(seen, "http.server") == ["logs", "osprofiler"]


def test_a_source_that_shows_everything_is_enough():
    seen = Evidence(fact(source, kind) for source in ("osprofiler", "logs", "facts") for kind in ("http.server", "db", "rpc.publish"))
    assert [heard(seen, kind) for kind in ("http.server", "db", "rpc.publish")] == [["facts"]] * 3


def test_what_client_and_admin_saw_stands_beside_what_was_seen_within():
    seen = Evidence([fact("client", "http.client"), fact("facts", "http.client"), fact("client", "view"), fact("admin", "view")])
    assert (heard(seen, "http.client"), heard(seen, "view")) == (["client", "facts"], ["admin", "client"])
