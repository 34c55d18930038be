# The image, where no registry need be reached: its two bases are made of this machine's own files.
# shellcheck shell=bash

long_image() {
  stage image image "$@"
}

image() {
  local name=localhost/forgetd:test base="$work/image" size request limit
  image_made "$base" "$name" "$@"
  # A machine of few rights cannot raise its limits.
  image_run=("${image_podman[@]}" run --network none --ulimit nofile=20000:20000 --ulimit nproc=30000:30000
    --read-only --user 65532:65532 --cap-drop ALL --security-opt no-new-privileges)
  image_is_safe "$name"
  "${image_run[@]}" --rm "$name" --version
  size="$("${image_podman[@]}" image inspect --format '{{.Size}}' "$name")"
  read -r request limit < <(python3 -c '
import yaml
resources = yaml.safe_load(open("helm/forgetd/values.yaml"))["resources"]
print(*(int(resources[part]["memory"].removesuffix("Mi")) for part in ("requests", "limits")))')
  image_demo "$name" "$base/demo"
  image_serve "$name" "$base/demo"
  echo "note: image of $((size / 1000000)) MB with a base of this machine, on a read-only root as 65532: demo ends with 0 in $demo_took ms," \
    "at most $(mib "$demo_peak") MiB resident (limit $limit); serve is ready in $serve_took ms, at most $(mib "$serve_peak") MiB (request $request)"
  [ "$demo_peak" -le $((limit * 1024)) ] || { echo 'demo takes more than the limit of helm/forgetd/values.yaml'; return 1; }
  [ "$serve_peak" -le $((request * 1024)) ] || { echo 'serve takes more than the request of helm/forgetd/values.yaml'; return 1; }
}

# image_demo NAME FOLDER: what a first look does, in a folder of its own on a read-only root. It leaves milliseconds and KiB.
image_demo() {
  local name="$1" folder="$2" watcher
  mkdir -p "$folder"
  chmod 777 "$folder"
  image_watch "$folder.pid" >"$folder.peak" &
  watcher=$!
  "${image_run[@]}" --name demo --pidfile "$folder.pid" --volume "$folder:/demo" --workdir /demo "$name" demo >"$folder.log"
  wait "$watcher"
  demo_peak="$(cat "$folder.peak")"
  [ "$demo_peak" -gt 0 ] || { echo 'nobody saw it run'; return 1; }
  demo_took=$(("$(image_at demo FinishedAt)" - "$(image_at demo StartedAt)"))
  "${image_podman[@]}" rm demo
}

# image_serve NAME FOLDER: serves what the demo left, until it is ready; the same. Its network is its own, and so is its port.
image_serve() {
  local name="$1" folder="$2" pid run until=$((SECONDS + 60))
  "${image_run[@]}" --name serve --pidfile "$folder.serve" --volume "$folder:/demo" --workdir /demo "$name" \
    serve --config forgetd-demo/forgetd.yaml >"$folder.served" 2>&1 &
  run=$!
  pid="$(image_pid "$folder.serve")"
  until image_answers "$pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$until" ] || [ ! -e "/proc/$pid" ]; then
      echo 'serve does not get ready'
      cat "$folder.served"
      return 1
    fi
    sleep 0.01
  done
  serve_took=$((${EPOCHREALTIME/./} / 1000 - "$(image_at serve StartedAt)"))
  serve_peak="$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$pid/status")"
  "${image_podman[@]}" stop --time 20 serve
  wait "$run"
  "${image_podman[@]}" rm serve
}

# image_answers PID: whether the process there says that it is ready.
image_answers() {
  nsenter --target "$1" --net bash -c 'exec 3<>/dev/tcp/127.0.0.1/9878 && printf "GET /readyz HTTP/1.0\r\n\r\n" >&3 && head -n 1 <&3' |
    grep -q ' 200 '
}

# image_at CONTAINER WHEN: in milliseconds.
image_at() { "${image_podman[@]}" container inspect --format "{{.State.$2.UnixMilli}}" "$1"; }

mib() { awk -v kib="$1" 'BEGIN { printf "%.1f", kib / 1024 }'; }

# image_pid FILE: waits for a process's number. What makes the container has that number first.
image_pid() {
  local pid='' until=$((SECONDS + 60))
  until [ -s "$1" ]; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.01
  done
  read -r pid <"$1" || [ -n "$pid" ]
  echo "$pid"
}

# image_watch FILE: what the kernel said last of the peak of the process whose number will be in the file, in KiB.
image_watch() {
  local pid peak=0 found name word value until
  pid="$(image_pid "$1")"
  until=$((SECONDS + 60))
  while [ -e "/proc/$pid/status" ] && [ "$SECONDS" -lt "$until" ]; do
    name='' found=''
    while read -r word value _; do
      case "$word" in
        Name:) name="$value" ;;
        VmHWM:) found="$value" ;;
      esac
    done 2>/dev/null <"/proc/$pid/status" || true
    # A process that has ended has no memory.
    [ "$name" != forgetd ] || [ -n "$found" ] || break
    [ "$name" != forgetd ] || peak="$found"
    sleep 0.01
  done
  echo "$peak"
}

# image_made FOLDER NAME FLAG..: what the Dockerfile makes. Everything that podman keeps is in the folder, and nothing of it on
# the network; image_podman calls it.
image_made() {
  local base="$1" name="$2" built="$cache/image"
  shift 2
  image_tools
  # What the compiler made stays, for the next time.
  mkdir -p "$base" "$built"
  image_podman=(podman --root "$base/root" --runroot "$base/runroot" --tmpdir "$base/tmp" --cgroup-manager cgroupfs
    --events-backend file --runtime runc)
  image_bases "$base"
  "${image_podman[@]}" build --network host --isolation chroot --build-arg BUILD=localhost/build --build-arg RUNTIME=localhost/runtime \
    --volume /usr:/usr:ro --volume "$image_rustup:$image_rustup:ro" --volume "$image_cargo:$image_cargo" --volume "$built:/target" \
    --tag "$name" "$@" .
}

image_tools() {
  if ! command -v podman >/dev/null || ! command -v runc >/dev/null; then
    [ "$(id -u)" -eq 0 ] || skip "podman and runc are not here: the image is not built"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman buildah runc ||
      skip "podman could not be installed: the image is not built"
  fi
  image_rustup="${RUSTUP_HOME:-$HOME/.rustup}" image_cargo="${CARGO_HOME:-$HOME/.cargo}"
}

# The first base has nothing but names: this machine's compiler is mounted. The second has what distroless has.
image_bases() {
  local base="$1" build="$1/build" runtime="$1/runtime" file
  mkdir -p "$build"/{usr,etc,tmp,proc,dev,target} "$build$image_rustup" "$build$image_cargo"
  for file in bin lib lib64 sbin; do ln -s "usr/$file" "$build/$file"; done
  cp -a /etc/{alternatives,passwd,group,ssl,resolv.conf,ld.so.cache} "$build/etc" 2>/dev/null || true
  printf 'FROM scratch\nCOPY . /\nENV PATH=%s/bin:/usr/bin:/bin RUSTUP_HOME=%s CARGO_HOME=%s HOME=%s\n' \
    "$image_cargo" "$image_rustup" "$image_cargo" "$HOME" >"$base/Build"
  "${image_podman[@]}" build --isolation chroot --file "$base/Build" --tag localhost/build "$build"
  image_runtime "$runtime"
  printf 'FROM scratch\nCOPY . /\nUSER 65532\n' >"$base/Runtime"
  "${image_podman[@]}" build --isolation chroot --file "$base/Runtime" --tag localhost/runtime "$runtime"
}

# image_runtime FOLDER: the C library, a CA bundle, time zones and users.
image_runtime() {
  local runtime="$1" unwinder
  mkdir -p "$runtime"/{etc/ssl/certs,tmp,usr/share}
  unwinder="$(echo /lib/*-linux-gnu*/libgcc_s.so.1)"
  image_libraries "$runtime" "$(command -v cargo)" /usr/bin/gcc
  mkdir -p "$runtime$(dirname "$unwinder")"
  cp -L "$unwinder" "$runtime$unwinder"
  cp -L /etc/ssl/certs/ca-certificates.crt "$runtime/etc/ssl/certs"
  cp -a /usr/share/zoneinfo "$runtime/usr/share"
  echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$runtime/etc/passwd"
}

# image_libraries FOLDER FILE..: the libraries that these files load, and what loads them, where they look for them.
image_libraries() {
  local root="$1" file
  shift
  # Of several files it says the name of each, with a colon.
  for file in $(ldd "$@" | grep -v ':$' | grep -o '/[^ ]*' | grep '\.so' | sort -u); do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
  done
}

# It has a user that is not root, labels, certificates and time zones, and no shell.
image_is_safe() {
  local name="$1" root
  [ "$("${image_podman[@]}" image inspect --format '{{.Config.User}}' "$name")" = 65532:65532 ]
  "${image_podman[@]}" image inspect --format '{{json .Labels}}' "$name" | grep -q 'org.opencontainers.image.licenses.*Apache-2.0'
  root="$("${image_podman[@]}" image mount "$name")"
  [ -x "$root/usr/local/bin/forgetd" ]
  [ -s "$root/etc/ssl/certs/ca-certificates.crt" ]
  [ -s "$root/usr/share/zoneinfo/Europe/Stockholm" ]
  [ -z "$(find "$root" -name sh -o -name bash)" ]
  "${image_podman[@]}" image unmount "$name"
}
