-- Passkeys and security keys, the site they are made for, and when one was last proven in a session.
CREATE TABLE passkey (
    id              TEXT    NOT NULL PRIMARY KEY,
    account_id      TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    credential_id   BLOB    NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023), -- of all users together
    state           BLOB    NOT NULL, -- sealed to "passkey|state|id|account"
    name            TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    aaguid          BLOB    NOT NULL CHECK (length(aaguid) = 16),
    counter         INTEGER NOT NULL,
    verifies        INTEGER NOT NULL CHECK (verifies IN (0, 1)), -- it has verified its user
    discoverable    INTEGER NOT NULL CHECK (discoverable IN (0, 1)),
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up       INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    transports      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    used_at         INTEGER,
    set_aside_at    INTEGER -- when its counter went back
) STRICT;
CREATE INDEX passkey_by_account ON passkey (account_id, created_at);

-- The domain that all of them are made for: none opens for another one.
ALTER TABLE installation ADD COLUMN rp_id TEXT;

ALTER TABLE session ADD COLUMN passkey_at INTEGER;
