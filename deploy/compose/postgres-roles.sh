#!/bin/sh
# Run once, by the image of PostgreSQL, when the database is new: the roles of selfheal and of the exporter. Neither is a superuser,
# and neither can read the application's tables.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set selfheal="$(cat /run/secrets/postgres_selfheal_password)" \
    --set exporter="$(cat /run/secrets/postgres_exporter_password)" <<'SQL'
CREATE ROLE selfheal LOGIN PASSWORD :'selfheal';
-- To see sessions, and to cancel and end those that are not a superuser's.
GRANT pg_monitor, pg_signal_backend TO selfheal;
CREATE ROLE exporter LOGIN PASSWORD :'exporter';
GRANT pg_monitor TO exporter;
SQL
