import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.document_version import MAX_GENERATION, MAX_LSN, document_version, split_version

GENERATIONS = st.integers(1, MAX_GENERATION)
LSNS = st.integers(1, MAX_LSN)


@given(GENERATIONS, LSNS)
def test_a_version_fits_elasticsearch_and_can_be_read_back(generation: int, lsn: int) -> None:
    version = document_version(generation=generation, replay_lsn=lsn)
    assert 0 <= version < 2**63
    assert split_version(version) == (generation, lsn - lsn % 8)


@given(st.tuples(GENERATIONS, LSNS), st.tuples(GENERATIONS, LSNS))
def test_a_later_generation_wins_whatever_its_position_and_then_the_position_decides(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    versions = [document_version(generation=g, replay_lsn=lsn) for g, lsn in (one, other)]
    positions = [(g, lsn // 8) for g, lsn in (one, other)]
    assert (versions[0] < versions[1]) == (positions[0] < positions[1])


@pytest.mark.parametrize(
    ("generation", "lsn"), [(0, 8), (MAX_GENERATION + 1, 8), (1, 0), (1, -8), (1, MAX_LSN + 1)]
)
def test_out_of_bounds_is_an_error_not_another_version(generation: int, lsn: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        document_version(generation=generation, replay_lsn=lsn)


def test_a_number_that_is_no_version_is_told() -> None:
    with pytest.raises(ValueError, match="not a document's version"):
        split_version(7)
