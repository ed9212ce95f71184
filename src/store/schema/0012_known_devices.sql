-- Whether somebody has signed in with a device before is asked at each sign-in; without this every record about them is read for it.

CREATE INDEX audit_by_device ON audit (account_id, device) WHERE device IS NOT NULL;
