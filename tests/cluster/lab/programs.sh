# What the lab runs, and how it is made.
# shellcheck shell=bash

pins() { cat "$here"/lab/{go.mod,go.sum,*.go} | sha256sum | cut -d' ' -f1; }

built() { [ "$(cat "$bin/built" 2>/dev/null)" = "$(pins)" ]; }

build() {
  ! built || return 0
  (
    packages
    mkdir -p "$bin"
    cd "$here/lab"
    if ! go mod download >"$lab/build.log" 2>&1; then
      tail -n 3 "$lab/build.log" >&2
      echo 'the Go modules of the lab could not be downloaded'
      exit 77
    fi
    # Not in a list: that would switch off -e inside.
    trap 'tail -n 20 "$lab/build.log" >&2' EXIT
    programs >>"$lab/build.log" 2>&1
    trap - EXIT
    pins >"$bin/built"
  )
}

# Debian's, each looked for by a file that it brings.
packages() {
  local wanted=(/usr/sbin/runc runc /usr/lib/cni/ptp containernetworking-plugins /usr/sbin/iptables iptables /usr/sbin/ip iproute2
    /usr/bin/openssl openssl /usr/bin/unshare util-linux /usr/bin/python3 python3) missing=() i
  for ((i = 0; i < ${#wanted[@]}; i += 2)); do
    [ -e "${wanted[i]}" ] || missing+=("${wanted[i + 1]}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$lab/apt.log" 2>&1 ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$lab/apt.log" 2>&1 ||
    { tail -n 3 "$lab/apt.log" >&2; echo "${missing[*]} could not be installed"; exit 77; }
}

# Built politely: it takes minutes, and whoever is at work on this machine goes first.
programs() {
  local version minor stamp=k8s.io/component-base/version name
  version="$(go list -m -f '{{.Version}}' k8s.io/kubernetes)"
  minor="${version#v1.}"
  export CGO_ENABLED=0
  nice -n 19 go build -buildvcs=false -trimpath -o "$bin/kubernetes" \
    -ldflags "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}" .
  nice -n 19 go build -buildvcs=false -trimpath -o "$bin/" -ldflags '-s -w' -tags no_btrfs,no_devmapper,no_zfs tool
  for name in etcd kubectl kubelet cluster-names kube-{apiserver,controller-manager,scheduler,proxy}; do
    ln -sf kubernetes "$bin/$name"
  done
  # What holds the name spaces of a pod: it waits.
  cc -static -Os -s -o "$bin/pause" -x c - <<<'int pause(void); int main(void) { for (;;) pause(); }'
}
