#!/bin/sh
# Run once, by the image of PostgreSQL, when the database is new: the roles of selfheal and of the exporter. Neither is a superuser,
# and neither can read the application's tables.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set selfheal="$(cat /run/secrets/postgres_selfheal_password)" \
    --set exporter="$(cat /run/secrets/postgres_exporter_password)" <<'SQL'
CREATE ROLE selfheal LOGIN PASSWORD :'selfheal';
-- To see sessions, to cancel and end those that are not a superuser's, and to connect when nobody else can.
GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO selfheal;
CREATE ROLE exporter LOGIN PASSWORD :'exporter';
GRANT pg_monitor, pg_use_reserved_connections TO exporter;
SQL
