#!/bin/sh
# Makes a Debian or Ubuntu machine with an NVIDIA card a host of the arena: the driver, Ollama at a pinned version, its unit
# with what `arena doctor` asks for, the models pulled and the first of them in memory. Run it as root, as often as you like:
# what is done already is left alone, and after a failure it goes on where it was.
#
#   OLLAMA_VERSION=0.17.0 OLLAMA_SHA256=… ARENA_MODELS=llama3.1:8b=46e0c10c039e,mistral:7b sh launch.sh
#
# OLLAMA_SHA256 is that of ollama-linux-amd64.tgz, from the release's own page. A model may be pinned by the id that
# `ollama list` shows: NAME=ID.
set -eu

: "${OLLAMA_VERSION:?the version of Ollama to install, such as 0.17.0}"
: "${OLLAMA_SHA256:?the SHA-256 of its ollama-linux-amd64.tgz}"
: "${ARENA_MODELS:?the models to pull, with commas between them}"
ARENA_NUM_PARALLEL=${ARENA_NUM_PARALLEL:-4}
ROOT=${ARENA_ROOT:-} # another root for tests
URL=http://127.0.0.1:11434
ARCHIVE=https://github.com/ollama/ollama/releases/download/v$OLLAMA_VERSION/ollama-linux-amd64.tgz
# There while Ollama has to be restarted: a run that fails before must not forget it.
pending=$ROOT/var/tmp/arena-restart-ollama
changed=no

say() { echo "launch: $*"; }

# Write standard input to a file, if it says something else; sets `changed`.
put() {
  mkdir -p "$(dirname "$1")"
  cat > "$1.new"
  if [ -f "$1" ] && cmp -s "$1" "$1.new"; then rm "$1.new"; else mv "$1.new" "$1"; changed=yes; say "wrote $1"; fi
}

driver() {
  if nvidia-smi > /dev/null 2>&1; then return; fi
  say "installing the driver"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nvidia-driver ca-certificates curl
  nvidia-smi > /dev/null 2>&1 || { say "the driver is installed and not running yet: reboot, and run this again"; exit 75; }
}

ollama_program() {
  stamp=$ROOT/opt/ollama/.sha256
  if [ "$(cat "$stamp" 2> /dev/null)" = "$OLLAMA_SHA256" ]; then return; fi
  say "installing Ollama $OLLAMA_VERSION"
  archive=$ROOT/var/tmp/ollama-$OLLAMA_SHA256.tgz
  mkdir -p "$(dirname "$archive")"
  if ! echo "$OLLAMA_SHA256  $archive" | sha256sum -c --status - 2> /dev/null; then
    curl -fsSL --retry 3 -C - -o "$archive" "$ARCHIVE" || { rm -f "$archive"; return 1; }
    echo "$OLLAMA_SHA256  $archive" | sha256sum -c --status - || { rm -f "$archive"; say "the archive is not the pinned one"; return 1; }
  fi
  rm -rf "$ROOT/opt/ollama.new"
  mkdir -p "$ROOT/opt/ollama.new"
  tar -xzf "$archive" -C "$ROOT/opt/ollama.new"
  echo "$OLLAMA_SHA256" > "$ROOT/opt/ollama.new/.sha256"
  touch "$pending"
  rm -rf "$ROOT/opt/ollama"
  mv "$ROOT/opt/ollama.new" "$ROOT/opt/ollama"
  rm -f "$archive"
  changed=yes
}

units() {
  id ollama > /dev/null 2>&1 || useradd --system --create-home --home-dir /var/lib/ollama --shell /usr/sbin/nologin ollama
  put "$ROOT/etc/systemd/system/ollama.service" << 'END'
[Unit]
Description=Ollama
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=/opt/ollama/bin/ollama serve
User=ollama
Group=ollama
Restart=always
RestartSec=3
[Install]
WantedBy=multi-user.target
END
  put "$ROOT/etc/systemd/system/ollama.service.d/arena.conf" << END
[Service]
Environment=OLLAMA_HOST=0.0.0.0:11434
Environment=OLLAMA_KEEP_ALIVE=72h
Environment=OLLAMA_NUM_PARALLEL=$ARENA_NUM_PARALLEL
Environment=OLLAMA_MAX_QUEUE=512
Environment=OLLAMA_LOAD_TIMEOUT=10m
Environment=OLLAMA_FLASH_ATTENTION=1
END
  if [ $changed = yes ]; then mkdir -p "$(dirname "$pending")"; touch "$pending"; fi
  if [ -e "$pending" ]; then
    systemctl daemon-reload
    systemctl enable ollama
    systemctl restart ollama
    rm "$pending"
  fi
  systemctl is-active --quiet ollama || systemctl start ollama
  tries=0
  until curl -fsS "$URL/api/version" > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then say "Ollama does not answer; see journalctl -u ollama"; return 1; fi
    sleep 1
  done
}

# The id of an installed model, as `ollama list` shows it.
id_of() { curl -fsS "$URL/api/tags" | tr '{' '\n' | grep -F "\"name\":\"$1\"" | sed -n 's/.*"digest":"\([0-9a-f]\{12\}\).*/\1/p'; }

models() {
  for entry in $(echo "$ARENA_MODELS" | tr , ' '); do
    model=${entry%%=*}
    if [ -z "$(id_of "$model")" ]; then
      say "pulling $model"
      curl -fsS -X POST "$URL/api/pull" -d "{\"model\":\"$model\",\"stream\":false}" > /dev/null
    fi
    found=$(id_of "$model")
    case $entry in
      *=*) if [ "$found" != "${entry#*=}" ]; then say "$model is $found and not ${entry#*=}"; return 1; fi ;;
      *) if [ -z "$found" ]; then say "$model was not pulled"; return 1; fi ;;
    esac
  done
}

warm() {
  first=${ARENA_MODELS%%,*}
  first=${first%%=*}
  if curl -fsS "$URL/api/ps" | grep -qF "\"name\":\"$first\""; then return; fi
  say "loading $first"
  curl -fsS -X POST "$URL/api/generate" -d "{\"model\":\"$first\",\"keep_alive\":\"72h\"}" > /dev/null
}

driver
ollama_program
units
models
warm
if [ $changed = yes ]; then say "done"; else say "done, nothing had to be installed"; fi
