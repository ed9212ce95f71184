-- Keys that are not the master key: drawn once and kept sealed, so that a new master key changes nothing that hangs on them.
CREATE TABLE secret (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL -- sealed to "secret|sealed|name|"
) STRICT;

-- What happened: rows are added and, when they are old enough, taken away from the beginning; never changed.
CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    account_id TEXT, -- stays when the account goes
    account    TEXT,
    actor      TEXT    NOT NULL,
    address    TEXT,
    method     TEXT,
    reason     TEXT,
    detail     TEXT,
    tally      INTEGER NOT NULL, -- how many times, for what came too often to be written singly
    device     BLOB, -- keyed hash of browser and network
    request    TEXT,
    tag        BLOB    NOT NULL CHECK (length(tag) = 32) -- over this row and the tag before it
) STRICT;
CREATE INDEX audit_by_account ON audit (account_id, seq);
CREATE INDEX audit_by_time ON audit (at);

-- Where the chain begins and ends.
CREATE TABLE audit_head (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed BLOB    NOT NULL -- sealed to "audit_head|sealed|1|"
) STRICT;

-- How far the owner's webhook has been told.
CREATE TABLE audit_told (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;

-- What a person is told on their next visit.
CREATE TABLE notice (
    id         INTEGER NOT NULL PRIMARY KEY,
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    address    TEXT,
    detail     TEXT
) STRICT;
CREATE INDEX notice_by_account ON notice (account_id, id);

-- Set when the data came out of a backup, until the next start has written that down.
ALTER TABLE installation ADD COLUMN restored_at INTEGER;
