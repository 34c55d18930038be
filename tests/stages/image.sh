# The image, where no registry need be reached: its two bases are made of this machine's own files.
# shellcheck shell=bash

long_image() {
  stage image image "$@"
}

image() {
  local name=localhost/forgetd:test base="$work/image" started size seconds
  image_made "$base" "$name" "$@"
  # A machine of few rights cannot raise its limits.
  image_run=("${image_podman[@]}" run --rm --network none --ulimit nofile=20000:20000 --ulimit nproc=30000:30000
    --read-only --user 65532:65532 --cap-drop ALL --security-opt no-new-privileges)
  image_is_safe "$name"
  # What a first look does: a folder of its own, on a read-only root.
  mkdir -p "$base/demo"
  chmod 777 "$base/demo"
  "${image_run[@]}" --volume "$base/demo:/demo" --workdir /demo "$name" demo >"$base/demo.log"
  started="${EPOCHREALTIME/./}"
  "${image_run[@]}" "$name" --version
  seconds=$(((${EPOCHREALTIME/./} - started) / 1000))
  size="$("${image_podman[@]}" image inspect --format '{{.Size}}' "$name")"
  echo "note: image of $((size / 1000000)) MB on a base of this machine, --version in $seconds ms with podman's own"
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
