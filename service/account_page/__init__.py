"""The page on which people see and end what is theirs: sessions, applications, ways to sign in."""
