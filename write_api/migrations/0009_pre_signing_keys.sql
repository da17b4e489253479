-- When a key began and ceased to sign: a key signs only when every region knows it, and stays until its tokens are dead.
ALTER TABLE signing_keys
    ADD COLUMN signs_since timestamptz,
    ADD COLUMN signed_until timestamptz;
UPDATE signing_keys SET signs_since = created_at WHERE state <> 'next';
UPDATE signing_keys SET signed_until = now() WHERE state = 'previous';
ALTER TABLE signing_keys
    ADD CHECK ((state = 'next') = (signs_since IS NULL)),
    ADD CHECK ((state = 'previous') = (signed_until IS NOT NULL));
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (state) WHERE state = 'next';
