#!/bin/sh
# docker/secrets.sh [NAME]: makes the secrets of the profile prod for the site NAME, each once: what is there stays. Readable by you only; the containers get copies.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
for name in arena_secret admin_key postgres_password grafana_password; do
  [ -s "secrets/$name" ] || random > "secrets/$name"
done
[ -s secrets/database_url ] ||
  printf 'postgresql+asyncpg://arena:%s@postgres:5432/arena' "$(cat secrets/postgres_password)" > secrets/database_url
# A certificate of your own, with its chain, goes into tls_certificate and tls_key; until then browsers warn.
[ -s secrets/tls_key ] || openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=${1:-localhost}" \
  -addext "subjectAltName=DNS:${1:-localhost}" -keyout secrets/tls_key -out secrets/tls_certificate 2> /dev/null
# A container's user is no user of this machine; the folder keeps everybody else out.
chmod 0644 secrets/*
echo "secrets are in $(pwd)/secrets"
