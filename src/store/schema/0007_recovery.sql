-- Recovery codes. Those of a set count all together: a set that was shown, but that nobody has said to have saved, is pending and
-- opens nothing; the set of before counts until then.
CREATE TABLE recovery_set (
    id         TEXT    NOT NULL PRIMARY KEY,
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    pending    INTEGER NOT NULL CHECK (pending IN (0, 1)),
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, pending)
) STRICT;

CREATE TABLE recovery_code (
    set_id  TEXT    NOT NULL REFERENCES recovery_set (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL CHECK (number BETWEEN 1 AND 20), -- the row it stands in, as shown in front of it
    hash    TEXT    NOT NULL, -- PHC string, with a salt of its own
    used_at INTEGER,
    PRIMARY KEY (set_id, number)
) STRICT;

-- The step of the code that proved the authenticator of a link, and when: the link is used up only once its recovery codes are saved.
ALTER TABLE link ADD COLUMN totp_step INTEGER;
ALTER TABLE link ADD COLUMN proven_at INTEGER;
-- The session that made the link for itself, which ends with it; none for a link that the owner made.
ALTER TABLE link ADD COLUMN session_id TEXT REFERENCES session (id) ON DELETE CASCADE;
