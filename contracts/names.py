"""Names that several parts must agree on: the database's, Kafka's, Elasticsearch's.

Where a name appears in SQL or in a template it is written there again; a test compares them.
"""

DATABASE_NAME = "frontrow"

OWNER_ROLE = "frontrow_owner"
WRITE_ROLE = "frontrow_write"
READ_ROLE = "frontrow_read"
CAPTURE_ROLE = "frontrow_capture"
REPLICATION_ROLE = "frontrow_replication"

PUBLICATION = "frontrow_changes"
CAPTURE_SLOT = "frontrow_capture"
CONNECTOR = "frontrow-capture"

CHANGES_TOPIC = "frontrow.changes"
DEAD_LETTERS_TOPIC = "frontrow.dead-letters"

EVENTS_ALIAS = "events"
