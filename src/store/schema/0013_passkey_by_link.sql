-- The passkey that a set-up link was proven by, in place of an authenticator; it counts once the link is completed.

ALTER TABLE link ADD COLUMN passkey BLOB; -- sealed to "link|passkey|token in hexadecimal|account_id"
