-- People without a password: guests, who book with a link that we sign. Never published for change capture.

-- Without a folded e-mail nobody logs in, so several guests may give the same one, and an account's owner too.
ALTER TABLE people
    ALTER COLUMN email_folded DROP NOT NULL,
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD CONSTRAINT people_log_in_with_both CHECK ((email_folded IS NULL) = (password_hash IS NULL));

-- What else a guest has told.
CREATE TABLE guests (
    person_id bigint PRIMARY KEY REFERENCES people (id),
    phone text NOT NULL CHECK (length(phone) BETWEEN 1 AND 40),
    created_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE, DELETE ON guests TO frontrow_write;
