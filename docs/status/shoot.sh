#!/usr/bin/env bash
# Pictures of the status page in this folder, from the pages that the tests left. Needs chromium (Debian's package) and,
# for small files, pngquant.
#   cargo test --test it every_board_has_a_page && docs/status/shoot.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
pages="$(realpath "${CARGO_TARGET_DIR:-../../target}/tmp/status")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# shoot PAGE NAME WIDTH HEIGHT light|dark
shoot() {
  local scheme=1
  [ "$5" = light ] || scheme=0
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --blink-settings=preferredColorScheme=$scheme --window-size="$3,$4" --screenshot="$work/$2.png" "file://$1" 2>/dev/null
  if command -v pngquant >/dev/null; then pngquant --force --output "$2.png" 64 "$work/$2.png"; else cp "$work/$2.png" .; fi
}

# A window cannot be as narrow as a telephone: a frame can.
narrow() {
  echo "<!doctype html><body style='margin:0'><iframe src='file://$1' style='width:400px;height:$2px;border:0'></iframe>" >"$work/narrow.html"
}

# One row opened, as a click does.
opened() { sed "s/<details id=\"r-$2\"/<details open id=\"r-$2\"/" "$1" >"$work/opened.html"; }

shoot "$pages/one-rule.html" one-rule 1200 560 light
shoot "$pages/blocked.html" blocked 1200 1500 light
shoot "$pages/200-rules.html" 200-rules 1200 1500 light
shoot "$pages/database-down.html" database-down 1200 820 light
opened "$pages/draining.html" page-views
shoot "$work/opened.html" draining 1200 1320 light
shoot "$pages/blocked.html" dark 1200 1500 dark
narrow "$pages/blocked.html" 2500
shoot "$work/narrow.html" narrow 400 2500 light
