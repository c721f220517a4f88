#!/bin/sh
# Makes what the tests of this folder run: Node.js packages; Python packages, in a .venv of their own, for Django and such
# are no tools of Tallystick; a program in Go and one in Java. What cannot be made here is told, and its tests are skipped.
set -eu
cd "$(dirname "$0")"
PATH="$PATH:/usr/local/go/bin:/usr/sbin"

has() {
    command -v "$1" > /dev/null && return
    echo "interop: $1 was not found, so $2 is skipped"
    return 1
}

npm ci --silent --no-audit --no-fund

if [ ! requirements.lock -ot .venv/.installed ]; then
    rm -rf .venv
    ../../.venv/bin/python -m venv .venv
    .venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
    touch .venv/.installed
fi

has nginx 'the API behind it (apt-get install nginx-light)' || true

if has go 'go-oidc'; then
    if (cd go && go mod download); then
        (cd go && go build -trimpath -o api .)
    else
        echo 'interop: the modules of go-oidc cannot be had here, so go-oidc is skipped'
    fi
fi

if has mvn 'Spring Security'; then
    log=$(mktemp)
    (cd spring && mvn --quiet --batch-mode --no-transfer-progress -Dstyle.color=never package > "$log" 2>&1) || {
        cat "$log"
        grep -qE 'Could not (transfer|find|resolve)|Non-resolvable' "$log" || exit 1
        echo 'interop: the packages of Spring cannot be had here, so Spring Security is skipped'
    }
    rm "$log"
fi
