-- What one network failed at, over all names: its latest moments (milliseconds, eight bytes each), and how often it went on
-- after it was told to wait.
CREATE TABLE network (
    network   TEXT    NOT NULL PRIMARY KEY CHECK (length(network) <= 64),
    failures  BLOB    NOT NULL CHECK (length(failures) <= 800),
    strikes   INTEGER NOT NULL,
    struck_at INTEGER NOT NULL,
    last_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX network_by_time ON network (last_at);

-- Passwords that one network got wrong for one name.
CREATE TABLE guess (
    network     TEXT    NOT NULL CHECK (length(network) <= 64),
    name        BLOB    NOT NULL CHECK (length(name) = 32), -- keyed hash, as in attempt
    account_id  TEXT    REFERENCES account (id) ON DELETE CASCADE, -- none: nobody has that name
    consecutive INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (network, name)
) STRICT;
CREATE INDEX guess_by_time ON guess (last_at);
CREATE INDEX guess_by_account ON guess (account_id);

-- Browsers that somebody has signed in with. Their failures are counted apart, in attempt.
CREATE TABLE device (
    token      BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32), -- SHA-256
    account_id TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX device_by_account ON device (account_id, used_at);
CREATE INDEX device_by_end ON device (expires_at);

-- Networks from which nobody may sign in.
CREATE TABLE ban (
    network TEXT    NOT NULL PRIMARY KEY CHECK (length(network) <= 64),
    since   INTEGER NOT NULL,
    until   INTEGER, -- none: until it is lifted
    reason  TEXT    NOT NULL CHECK (length(reason) <= 200),
    owner   INTEGER NOT NULL CHECK (owner IN (0, 1)) -- made by the owner, not by the gateway
) STRICT;
