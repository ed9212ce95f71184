-- What the owner set down for one account: the ways that count (names with commas; none: every way that is allowed), how firmly
-- they have to prove who they are, whether they may change their factors themselves (none: as the installation has it), and
-- when something was last demanded of them.

ALTER TABLE account ADD COLUMN methods TEXT CHECK (methods <> '');
ALTER TABLE account ADD COLUMN demanded INTEGER;
ALTER TABLE account ADD COLUMN self_service INTEGER CHECK (self_service IN (0, 1));
ALTER TABLE account ADD COLUMN demanded_at INTEGER;
