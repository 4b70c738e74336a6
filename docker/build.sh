#!/bin/sh
# Builds the image with what is here: docker, podman, or buildah, which needs no engine and no daemon.
#
#   docker/build.sh [more arguments of the build, such as --build-arg LOCK=requirements-otel.lock]
#
# buildah runs steps in namespaces of their own where it may; inside another container it mostly may not, and a chroot is
# what is left. So it is tried out. An authority of one's own that SSL_CERT_FILE names is believed during the build, and is
# not in the image.
set -eu
cd "$(dirname "$0")/.."
NAME=${NAME:-progressive-arena}
BASE=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)

engine() {
  for program in docker podman; do
    if command -v "$program" > /dev/null && "$program" info > /dev/null 2>&1; then
      echo "$program"
      return
    fi
  done
  command -v buildah > /dev/null && echo buildah
}

isolation() { # the first that a step runs in; RUN of the Dockerfile is the same
  if [ -n "${BUILDAH_ISOLATION:-}" ]; then
    echo "$BUILDAH_ISOLATION"
    return
  fi
  probe=$(buildah from --pull "$BASE")
  trap 'buildah rm "$probe" > /dev/null' EXIT
  for kind in oci rootless chroot; do
    if buildah run --isolation "$kind" "$probe" -- true > /dev/null 2>&1; then
      echo "$kind"
      return
    fi
  done
  echo "docker/build.sh: buildah can run a step in no way here, not even by chroot; are you root, or in /etc/subuid?" >&2
  exit 1
}

set -- --build-arg "REVISION=$(git rev-parse HEAD 2> /dev/null || echo unknown)" "$@"

case $(engine) in
  docker) exec docker build -f docker/Dockerfile -t "$NAME" "$@" . ;;
  podman) exec podman build --format docker -f docker/Dockerfile -t "$NAME" "$@" . ;;
  buildah)
    kind=$(isolation)
    echo "building with buildah, isolation $kind"
    if [ -n "${SSL_CERT_FILE:-}" ]; then
      bundle=/etc/ssl/certs/ca-certificates.crt
      set -- --volume "$SSL_CERT_FILE:$bundle:ro" --build-arg "NODE_EXTRA_CA_CERTS=$bundle" "$@"
    fi
    exec buildah bud --isolation "$kind" --format docker -f docker/Dockerfile -t "$NAME" "$@" .
    ;;
  *)
    echo "docker/build.sh: there is neither docker (running), podman nor buildah; apt-get install buildah" >&2
    exit 1
    ;;
esac
