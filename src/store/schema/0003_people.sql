-- What is known of people besides their name, the groups they are in, and when each factor was last proven.

ALTER TABLE account ADD COLUMN display_name TEXT CHECK (length(display_name) <= 100);
ALTER TABLE account ADD COLUMN email TEXT CHECK (length(email) <= 254);

CREATE TABLE membership (
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL CHECK (length(name) <= 64), -- of the group, canonical
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT;

ALTER TABLE session ADD COLUMN password_at INTEGER;
ALTER TABLE session ADD COLUMN code_at INTEGER;
UPDATE session SET password_at = created_at, code_at = CASE WHEN strength = 2 THEN created_at END;
