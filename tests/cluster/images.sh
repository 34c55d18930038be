# The three images of a cluster's tests, made of this machine's files: forgetd's, an application's, PostgreSQL's.
# shellcheck shell=bash

shop_image=localhost/forgetd-test-shop:1 postgresql_image=localhost/forgetd-test-postgresql:1 forgetd_image=localhost/forgetd:test

# cluster_images FOLDER: writes forgetd.tar, shop.tar and postgresql.tar there. forgetd is the program of the tests, or in a
# release what the Dockerfile makes.
cluster_images() {
  local made="$1"
  cluster_busybox
  mkdir -p "$made"
  if [ "$cluster_profile" = release ]; then
    image_made "$work/image" "$forgetd_image"
    "${image_podman[@]}" save --output "$made/forgetd.tar" "$forgetd_image"
  else
    forgetd_archive "$made/forgetd" "$target/debug/forgetd"
  fi
  shop_archive "$made/shop"
  postgresql_archive "$made/postgresql"
}

archive() { python3 tests/cluster/archive.py "$@"; }

# The same layers as the Dockerfile's, on the base that its test has.
forgetd_archive() {
  local root="$1"
  image_runtime "$root"
  mkdir -p "$root/usr/local/bin"
  strip -o "$root/usr/local/bin/forgetd" "$2"
  chmod 755 "$root/usr/local/bin/forgetd"
  archive "$forgetd_image" "$root" "$root.tar" --user 65532:65532 --env PATH=/usr/local/bin --entrypoint /usr/local/bin/forgetd --command serve
}

shop_archive() {
  local root="$1"
  with_shell "$root"
  mkdir -p "$root/www"
  echo well >"$root/www/healthz"
  install -m 755 tests/cluster/images/shop.sh "$root/bin/shop"
  archive "$shop_image" "$root" "$root.tar" --user 1000:1000 --env PATH=/bin --entrypoint /bin/shop
}

# The server of Debian's package without its compiler of queries, which is larger than all the rest.
postgresql_archive() {
  local root="$1" home file
  home="$(dirname "$pg_bin")"
  with_shell "$root"
  mkdir -p "$root$pg_bin" "$root$home/lib" "$root/usr/share/postgresql" "$root/usr/lib/locale" "$root/var/run/postgresql" "$root/etc"
  cp "$pg_bin"/{postgres,initdb,psql} "$root$pg_bin"
  for file in "$home"/lib/*.so; do [[ "$file" == *llvmjit* ]] || cp "$file" "$root$home/lib"; done
  image_libraries "$root" "$pg_bin"/{postgres,initdb,psql} "$root$home"/lib/*.so
  cp -a "/usr/share/postgresql/$(basename "$home")" "$root/usr/share/postgresql"
  rm -rf "$root/usr/share/postgresql/$(basename "$home")/man"
  cp -a /usr/share/zoneinfo "$root/usr/share"
  cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale"
  chmod 1777 "$root/var/run/postgresql"
  echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >"$root/etc/passwd"
  install -m 755 tests/cluster/images/postgresql.sh "$root/bin/start"
  archive "$postgresql_image" "$root" "$root.tar" --user 999:999 --env "PATH=$pg_bin:/bin" --env LANG=C.UTF-8 --entrypoint /bin/start
}

# A folder with a shell and what belongs to it.
with_shell() {
  local root="$1" name
  mkdir -p "$root"/{bin,tmp}
  chmod 1777 "$root/tmp"
  cp "$cache/cluster/busybox" "$root/bin/busybox"
  for name in sh cat chmod mkdir rm sleep httpd; do ln -s busybox "$root/bin/$name"; done
}

# One program of Debian's, which is not installed for this.
cluster_busybox() {
  local deb="$work/busybox.deb"
  [ ! -x "$cache/cluster/busybox" ] || return 0
  mkdir -p "$deb" "$cache/cluster"
  (cd "$deb" && apt-get -q -o APT::Sandbox::User= download busybox-static) ||
    skip 'busybox-static could not be downloaded: no application for the cluster'
  dpkg-deb --fsys-tarfile "$deb"/*.deb | tar -xO ./bin/busybox >"$cache/cluster/busybox.new"
  chmod 755 "$cache/cluster/busybox.new"
  mv "$cache/cluster/busybox.new" "$cache/cluster/busybox"
}
