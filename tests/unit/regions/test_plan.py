import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.local.plan import DEPENDENCIES, PlanError, dependents, with_dependencies

NAMES = [f"c{number}" for number in range(8)]


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Components that depend only on ones before them, listed in any order."""
    graph = {
        name: tuple(draw(st.lists(st.sampled_from(NAMES[:position]), unique=True))) if position else ()
        for position, name in enumerate(NAMES)
    }
    return {name: graph[name] for name in draw(st.permutations(NAMES))}


@given(acyclic_graphs(), st.lists(st.sampled_from(NAMES)))
def test_each_component_comes_after_what_it_depends_on_and_nothing_else_comes(
    graph: dict[str, tuple[str, ...]], wanted: list[str]
) -> None:
    order = with_dependencies(wanted, graph)
    assert len(set(order)) == len(order)
    assert set(wanted) <= set(order)
    for position, name in enumerate(order):
        assert set(graph[name]) <= set(order[:position])
        assert name in wanted or dependents(name, graph) & set(order), f"{name} is there for no reason"


@given(acyclic_graphs(), st.data())
def test_a_circle_is_refused(graph: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    needed = data.draw(st.sampled_from(with_dependencies([name], graph)))
    circular = {**graph, needed: (*graph[needed], name)}
    with pytest.raises(PlanError, match="depends on itself"):
        with_dependencies([name], circular)


def test_an_unknown_component_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"no component 'mysql'; known: main, reader"):
        with_dependencies(["kafka", "mysql"])


def test_connect_stops_before_kafka_and_the_reader_before_main() -> None:
    assert "connect" in dependents("kafka")
    assert "reader" in dependents("main")


def test_the_platform_has_an_order() -> None:
    assert set(with_dependencies(DEPENDENCIES)) == set(DEPENDENCIES)
