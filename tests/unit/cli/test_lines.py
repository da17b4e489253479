"""Any file is read line by line in bounded memory, and every line is accounted for."""

import io

from hypothesis import given
from hypothesis import strategies as st

from cli.importing.lines import MAX_LINE_BYTES, read_lines


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.booleans()
)
def test_every_line_that_is_not_blank_comes_once_with_its_number(lines: list[bytes], ends: bool) -> None:
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    expected = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    if expected and expected[0][0] == 1:
        first = lines[0].removeprefix(b"\xef\xbb\xbf").strip()
        expected = [(1, first), *expected[1:]] if first else expected[1:]
    assert [(line.number, line.content) for line in read_lines(io.BytesIO(content))] == expected


def test_a_line_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    for end in (b"\n", b""):
        fits, too_long = b"a" * MAX_LINE_BYTES, b"a" * (MAX_LINE_BYTES + 1)
        assert [line.content for line in read_lines(io.BytesIO(fits + end))] == [fits]
        assert [line.content for line in read_lines(io.BytesIO(too_long + end))] == [None]


def test_lines_after_one_that_is_too_long_keep_their_numbers() -> None:
    content = b"1\n" + b"x" * (5 * MAX_LINE_BYTES) + b"\n\n4\n"
    assert [(line.number, line.content) for line in read_lines(io.BytesIO(content))] == [
        (1, b"1"),
        (2, None),
        (4, b"4"),
    ]


def test_a_file_without_a_line_break_is_never_held_whole() -> None:
    class Endless(io.BytesIO):
        longest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            self.longest = max(self.longest, len(line))
            return line

    file = Endless(b"x" * 1_000_000)
    assert [line.content for line in read_lines(file)] == [None]
    assert file.longest <= MAX_LINE_BYTES + 1


def test_the_limit_counts_lines_that_are_not_blank() -> None:
    assert [line.number for line in read_lines(io.BytesIO(b"\n1\n\n2\n3\n"), limit=2)] == [2, 4]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert [line.content for line in read_lines(io.BytesIO(b"\xef\xbb\xbf{}\r\n"))] == [b"{}"]
