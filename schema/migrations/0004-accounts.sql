-- depends: 0003-readers-and-relay

-- Password hashes, which the journal and its subscribers never see (docs/adr/0007-passwords-stay-in-the-vault.md).
-- Argon2id, of a keyed digest of the password: the database never has what is needed to guess.
CREATE TABLE vault.passwords (
    subject uuid PRIMARY KEY,
    hash    text NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.passwords TO tallystick_app;
