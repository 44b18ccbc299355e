#!/bin/sh
# Writes the secrets of docker-compose.yml, a file each, into secrets/ beside it (or SECRETS_DIR). Files that are there
# stay; delete one to have it made anew, and with a password the address that holds it. What an .env of the time before
# these files has is taken over, so that the servers' volumes stay usable. It prints no secret.
set -eu
cd "$(dirname "$0")/.."
folder=${SECRETS_DIR:-secrets}
umask 077
mkdir -p "$folder/named"
# The folder is closed. What is in it is mounted for users of containers, who have other numbers than ours.
chmod 700 "$folder"
chmod 755 "$folder/named"

earlier() {  # the value of a variable in .env, without quotes; nothing where it has none
  [ ! -f .env ] || sed -n "s/^$1=//p" .env | tail -n 1 | sed "s/^'\(.*\)'\$/\1/; s/^\"\(.*\)\"\$/\1/"
}

chance() {  # so many letters and digits
  LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c "$1"
}

put() {  # a file with a value, unless it is there
  [ ! -e "$folder/$1" ] || return 0
  printf %s "$2" > "$folder/$1.new"
  chmod 444 "$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
  echo "wrote $folder/$1"
}

password() {  # put, with what .env has or else with chance
  found=$(earlier "$2")
  put "$1" "${found:-$(chance "${3:-40}")}"
}

password postgres_password POSTGRES_PASSWORD
password redis_password REDIS_PASSWORD
password s3_access_key MINIO_ROOT_USER 20
password s3_secret_key MINIO_ROOT_PASSWORD
password grafana_password GRAFANA_PASSWORD
password named/mqtt_password MQTT_PASSWORD

found=$(earlier PLATEREEL_API_KEYS)
put api_keys "${found:-admin:admin:$(chance 40)}"

# A deployment without one has its key in the database: it keeps that, and this file stays empty.
found=$(earlier PLATEREEL_SIGNING_KEY)
[ -n "$found" ] || [ -n "$(earlier POSTGRES_PASSWORD)" ] || found=$(head -c 32 /dev/urandom | base64)
put signing_key "$found"

redis=$(cat "$folder/redis_password")
put database_url "postgresql://platereel:$(cat "$folder/postgres_password")@postgres:5432/platereel"
put frames_url "redis://:$redis@redis-frames:6379/0"
put broker_url "redis://:$redis@redis-broker:6379/0"

case ",${COMPOSE_PROFILES:-$(earlier COMPOSE_PROFILES)}," in
  *,seaweedfs,*) store=seaweedfs:8333 ;;
  *) store=minio:9000 ;;
esac
put storage_url "s3://$(cat "$folder/s3_access_key"):$(cat "$folder/s3_secret_key")@$store/platereel?secure=false"

# Where backups go: nothing here means the clips' store.
put backup_url "$(earlier PLATEREEL_BACKUP_URL)"

if [ -n "$(earlier POSTGRES_PASSWORD)" ]; then
  echo "passwords and keys in .env are no longer read: remove them there"
fi
