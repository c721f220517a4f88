#!/usr/bin/env bash
# Run once, when the database is made: the role that the service logs in as.
# What it may do comes from tallystick_app, which the migrations grant: it reads and appends, and cannot change or delete events.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv password TALLYSTICK_SERVICE_PASSWORD
CREATE ROLE tallystick_app NOLOGIN;
CREATE ROLE tallystick LOGIN PASSWORD :'password' IN ROLE tallystick_app;
SQL
