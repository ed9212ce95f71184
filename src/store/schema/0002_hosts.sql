-- One row per sign-in, and under it one token for each host that it opens.

ALTER TABLE session RENAME TO session_of_one_host;

CREATE TABLE session (
    id           TEXT    NOT NULL PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    strength     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    idle_timeout INTEGER,
    network      TEXT    NOT NULL,
    agent        TEXT    NOT NULL CHECK (length(agent) <= 200),
    last_seen    INTEGER NOT NULL
) STRICT;

INSERT INTO session (id, account_id, strength, created_at, expires_at, idle_timeout, network, agent, last_seen)
SELECT id, account_id, strength, created_at, expires_at, idle_timeout, network, agent, last_seen FROM session_of_one_host;

CREATE TABLE session_token (
    token      BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    session_id TEXT    NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    host       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO session_token (token, session_id, host, created_at)
SELECT token, id, host, created_at FROM session_of_one_host;

DROP TABLE session_of_one_host;
CREATE INDEX session_by_account ON session (account_id, created_at);
CREATE INDEX session_token_by_session ON session_token (session_id, created_at);

-- Where a half-done sign-in leads when that is another host than the one it was begun on, and the browser there.
ALTER TABLE ceremony ADD COLUMN return_host TEXT;
ALTER TABLE ceremony ADD COLUMN return_visitor BLOB CHECK (length(return_visitor) = 32);
