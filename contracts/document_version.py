"""The version of a search document: which state of the database it was read from.

`generation << 50 | replay LSN >> 3`, both read *before* the rows, in a statement of their own. Then a
document of version v holds every change up to v, and Elasticsearch (version type `external`) refuses to
put an older state over a newer one, in whatever order writers come.

Bounds: WAL records start at multiples of 8 bytes (MAXALIGN, PostgreSQL's src/include/access/xlogrecord.h),
so the shift loses nothing, and 50 bits reach to 8 PiB of WAL. Generations have 13 bits (the table's check).
Both fit into the 63 bits of Elasticsearch's versions ("greater than or equal to 0, less than around
9.2e+18", the index API's documentation). Timeline ids are not unique and are no part of it.
"""

MAX_GENERATION = 8191
LSN_BITS = 50
ALIGNMENT_BITS = 3
MAX_LSN = (1 << (LSN_BITS + ALIGNMENT_BITS)) - 1


def document_version(*, generation: int, replay_lsn: int) -> int:
    """The version of what is read after `replay_lsn` (bytes) was seen. Raises ValueError out of bounds."""
    if not 1 <= generation <= MAX_GENERATION:
        raise ValueError(f"generation {generation} is not within 1 and {MAX_GENERATION}")
    if not 0 < replay_lsn <= MAX_LSN:
        raise ValueError(f"LSN {replay_lsn} is not within 1 and {MAX_LSN}")
    return generation << LSN_BITS | replay_lsn >> ALIGNMENT_BITS


def split_version(version: int) -> tuple[int, int]:
    """(generation, LSN rounded down to 8 bytes) of a version. Raises ValueError if it is none."""
    generation, aligned = version >> LSN_BITS, version & ((1 << LSN_BITS) - 1)
    if not 1 <= generation <= MAX_GENERATION:
        raise ValueError(f"{version} is not a document's version")
    return generation, aligned << ALIGNMENT_BITS
