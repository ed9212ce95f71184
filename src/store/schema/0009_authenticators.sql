-- What people call an authenticator (none: nobody has named it), and when a code of it last opened something.

ALTER TABLE totp ADD COLUMN name TEXT CHECK (length(name) <= 64);
ALTER TABLE totp ADD COLUMN used_at INTEGER;
