import pytest

from service_kit.named_sql import NamedSqlError, parse_queries


def test_statements_are_found_by_name_without_their_comments() -> None:
    queries = parse_queries("-- one --\n-- Why.\nSELECT 1;\n\n-- two --\n-- Why\n-- not.\nSELECT\n  2;\n")
    assert queries == {"one": "SELECT 1;", "two": "SELECT\n  2;"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;", "no statement"),
        ("-- one --\nSELECT 1;", "needs a sentence"),
        ("-- one --\n--\nSELECT 1;", "needs a sentence"),
        ("-- one --\n-- Why.\n", "has no statement"),
        ("-- one --\n-- Why.\nSELECT 1;\n-- one --\n-- Why.\nSELECT 2;", "there twice"),
    ],
)
def test_a_file_out_of_form_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NamedSqlError, match=complaint):
        parse_queries(text)
