import pytest

import specs

both_dialects = pytest.mark.parametrize("dialect", specs.DIALECTS)


@both_dialects
def test_the_launch_has_28_rows_in_order_each_with_a_sentence(dialect):
    rows = specs.launch(dialect)
    assert [row.n for row in rows] == list(range(1, 29))
    assert rows[0].id == "S01"
    assert all(row.sentence.endswith(".") and row.actor and row.callee for row in _events(rows))


@both_dialects
def test_what_a_row_comes_after_exists_and_nothing_comes_after_itself(dialect):
    events = {event.id: event for event in _events(specs.launch(dialect))}
    before = {name: set(event.after) for name, event in events.items()}
    assert not {name for names in before.values() for name in names} - set(events)
    for _ in events:  # what comes before a predecessor comes before its successor
        before = {name: names.union(*(before[other] for other in names)) for name, names in before.items()}
    assert not [name for name, names in before.items() if name in names]
    assert before["S28"] >= {f"S{n:02d}" for n in range(1, 28)}


def test_the_classic_launch_is_one_line():
    assert [row.parts for row in specs.launch()] == [()] * 28
    assert all(before.id in row.after for before, row in zip(specs.launch(), specs.launch()[1:], strict=False))


def test_a_current_nova_visits_image_network_and_volume_before_it_writes_and_again_from_the_compute():
    rows = {row.id: row for row in specs.launch("cells_v2")}
    assert rows["S07"].after == ("S06", "S19a", "S22a", "S25a")
    assert [(part.id, part.actor, part.after) for part in rows["S25"].parts] == [("S25a", "nova-api", ("S05",))]
    assert rows["S22"].after == rows["S25"].after == ("S18",)  # the network beside the volumes
    assert rows["S19"].after == ("S18", "S27")
    assert (rows["S08"].actor, rows["S08"].after) == ("nova-conductor", ("S08a",))


@both_dialects
def test_parts_belong_to_their_row(dialect):
    assert all(part.id == f"{row.id}a" for row in specs.launch(dialect) for part in row.parts)


def test_a_dialect_that_is_not_there_is_refused_with_the_names_of_those_that_are():
    with pytest.raises(ValueError, match="choose one of classic, cells_v2"):
        specs.launch("essex")


def _events(rows):
    return [event for row in rows for event in (row, *row.parts)]
