# Process 1 of the lab. What it mounts and sets, the machine does not see.
# shellcheck shell=bash

inside() {
  local life
  export TMPDIR="$run/tmp"
  own_machine
  control_plane
  workers
  sleep $((${FORGETD_LAB_HOURS:-2} * 3600)) &
  life=$!
  wait "$life"
}

background() { "$@" >"$run/$1.log" 2>&1 & }

own_machine() {
  local folder
  mount --make-rshared /
  hostname "$node"
  for folder in /run /var/log "${fixed[@]}"; do mount -t tmpfs lab "$folder"; done
  believe
  ip link set lo up
  ip link add lab0 type bridge
  ip address add "$address/24" dev lab0
  ip link set lab0 up
  ip route add default dev lab0
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# A kubelet changes settings of the kernel that are the whole machine's, unless they are what it wants: it is shown that they are.
believe() {
  local setting
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    echo "${setting#*=}" >"/run/$(basename "${setting%=*}")"
    mount --bind "/run/$(basename "${setting%=*}")" "/proc/sys/${setting%=*}"
  done
}

# The API server finds the kubelet by its address: the node's name is nobody's.
control_plane() {
  background etcd --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn
  background kube-apiserver --etcd-servers=http://127.0.0.1:2379 --cert-dir="$run/pki" --token-auth-file="$run/tokens.csv" \
    --authorization-mode=Node,RBAC --advertise-address="$address" --kubelet-preferred-address-types=InternalIP \
    --service-cluster-ip-range="$services" --service-account-issuer=https://kubernetes.default.svc \
    --service-account-signing-key-file="$run/pki/accounts.key" --service-account-key-file="$run/pki/accounts.key"
  background containerd --config "$run/containerd.toml"
  local _
  for _ in $(seq 600); do
    ! kubectl get --raw /readyz >"$run/inside.readyz" 2>&1 || return 0
    sleep 0.2
  done
  echo 'the API server does not get ready'
  return 1
}

workers() {
  background kube-controller-manager --kubeconfig="$KUBECONFIG" --leader-elect=false \
    --service-account-private-key-file="$run/pki/accounts.key" --root-ca-file="$run/pki/apiserver.crt"
  background kube-scheduler --kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG" \
    --authorization-kubeconfig="$KUBECONFIG" --leader-elect=false
  background kube-proxy --kubeconfig="$KUBECONFIG" --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0
  background cluster-names --kubeconfig="$KUBECONFIG" --listen="$address:53"
  background kubelet --config="$run/kubelet.yaml" --kubeconfig="$KUBECONFIG" --root-dir="$run/kubelet" \
    --hostname-override="$node" --node-ip="$address"
}
