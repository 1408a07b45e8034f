"""Facts of several sources, together."""

from conformance.evidence import Evidence, Fact


def fact(source: str, number: int, kind: str = "rpc.publish", name: str = "select_destinations") -> Fact:
    return Fact(f"{source}:{number}", source, kind, "", name, float(number), clock=source)


def test_a_message_that_two_sources_show_is_counted_once():
    seen = Evidence([fact("osprofiler", 1), fact("amqp", 2), fact("amqp", 3, name="run_instance")])
    assert [f.id for f in seen.those("rpc.publish", name="select_destinations")] == ["amqp:2"]
    assert len(seen.facts) == 3


def test_what_only_a_trace_shows_of_the_bus_is_there():
    assert [f.id for f in Evidence([fact("osprofiler", 1)]).those("rpc.publish")] == ["osprofiler:1"]


def test_requests_are_shown_from_every_side():
    seen = Evidence([fact("osprofiler", 1, "http.server"), fact("logs", 2, "http.server")])
    assert len(list(seen.those("http.server"))) == 2
