-- Whom the writer counts for the quorum, apart from whom a promotion must see gone.

-- `members` is for whoever promotes: each of them may hold what was acknowledged, alone. `counted_members` is what
-- the writer counts, and where it stands with a change of the quorum that was interrupted: never anyone who is no
-- member (docs/decisions/0075-the-quorum-changes-in-two-columns.md).
ALTER TABLE generations ADD COLUMN counted_members text[] NOT NULL DEFAULT '{}';
UPDATE generations SET counted_members = members WHERE members <> '{}';
ALTER TABLE generations ADD CONSTRAINT generations_counted_are_members CHECK (counted_members <@ members);

-- Nothing else of a generation's row ever changes.
GRANT UPDATE (members, counted_members) ON generations TO frontrow_write;
