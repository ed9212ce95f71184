-- Times are milliseconds since 1970 (UTC), durations milliseconds. Tokens are there as their SHA-256 only.

CREATE TABLE installation (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check  BLOB    NOT NULL, -- opens under the master key that sealed the rest
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE CHECK (length(name) <= 64),
    disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    password   TEXT -- PHC string; none until set up
) STRICT;

CREATE TABLE totp (
    id         TEXT    NOT NULL PRIMARY KEY,
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    algorithm  TEXT    NOT NULL,
    digits     INTEGER NOT NULL,
    period     INTEGER NOT NULL,
    seed       BLOB    NOT NULL, -- sealed to "totp|seed|id"
    last_step  INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX totp_by_account ON totp (account_id);

CREATE TABLE session (
    id           TEXT    NOT NULL PRIMARY KEY,
    token        BLOB    NOT NULL UNIQUE CHECK (length(token) = 32),
    account_id   TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    host         TEXT    NOT NULL,
    strength     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    idle_timeout INTEGER,
    network      TEXT    NOT NULL,
    agent        TEXT    NOT NULL CHECK (length(agent) <= 200),
    last_seen    INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_account ON session (account_id, created_at);

CREATE TABLE link (
    token           BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    account_id      TEXT    NOT NULL UNIQUE REFERENCES account (id) ON DELETE CASCADE,
    expires_at      INTEGER NOT NULL,
    password        TEXT, -- from here on: what is set up so far
    totp_id         TEXT,
    totp_algorithm  TEXT,
    totp_digits     INTEGER,
    totp_period     INTEGER,
    totp_seed       BLOB, -- sealed to "link|totp_seed|token in hexadecimal"
    totp_created_at INTEGER
) STRICT;
CREATE INDEX link_by_end ON link (expires_at);

CREATE TABLE ceremony (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    visitor    BLOB    NOT NULL CHECK (length(visitor) = 32),
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    host       TEXT    NOT NULL,
    return_to  TEXT    NOT NULL CHECK (length(return_to) <= 8192),
    remember   INTEGER NOT NULL CHECK (remember IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ceremony_by_account ON ceremony (account_id, created_at);
CREATE INDEX ceremony_by_end ON ceremony (expires_at);

CREATE TABLE attempt (
    name        BLOB    NOT NULL CHECK (length(name) = 32), -- keyed hash: what people mistype may be a password
    factor      TEXT    NOT NULL,
    account_id  TEXT    REFERENCES account (id) ON DELETE CASCADE, -- none: nobody has that name
    consecutive INTEGER NOT NULL,
    in_window   INTEGER NOT NULL,
    in_day      INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (name, factor)
) STRICT;
CREATE INDEX attempt_by_account ON attempt (account_id, last_at);
