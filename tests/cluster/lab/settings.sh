# The files that the lab's programs read, made anew with each start.
# shellcheck shell=bash

settings() {
  mkdir -p "$run"/{pki,cni,pods,kubelet,tmp,volumes/{1..9}}
  credentials
  network
  kubelet_file
  containerd_file
  volumes_file
  cgroups
  mount_points
}

# One user, who may everything.
credentials() {
  local token
  openssl genrsa -out "$run/pki/accounts.key" 2048 2>/dev/null
  token="$(openssl rand -hex 16)"
  (umask 077; echo "$token,lab,lab,system:masters" >"$run/tokens.csv")
  cat >"$KUBECONFIG" <<TEXT
apiVersion: v1
kind: Config
current-context: lab
contexts: [{ name: lab, context: { cluster: lab, user: lab } }]
clusters: [{ name: lab, cluster: { server: "https://$address:6443", certificate-authority: "$run/pki/apiserver.crt" } }]
users: [{ name: lab, user: { token: $token } }]
TEXT
  chmod 600 "$KUBECONFIG"
}

# Pods have a cable to the node each, and no bridge between them: so the kernel translates the addresses of Services both ways.
network() {
  cat >"$run/cni/lab.conflist" <<TEXT
{
  "cniVersion": "1.0.0",
  "name": "lab",
  "plugins": [
    { "type": "ptp", "ipam": { "type": "host-local", "dataDir": "$run/addresses", "ranges": [[{ "subnet": "$pods" }]], "routes": [{ "dst": "0.0.0.0/0" }] } }
  ]
}
TEXT
  echo "nameserver $address" >"$run/resolv.conf"
}

# It serves where cgroups are of the old version, or of both, too, and where its own score for the killer of processes cannot
# be lowered.
kubelet_file() {
  cat >"$run/kubelet.yaml" <<TEXT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: "unix://$run/containerd.sock"
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
clusterDNS: [$address]
clusterDomain: cluster.local
resolvConf: $run/resolv.conf
cgroupDriver: cgroupfs
cgroupRoot: /$group
enforceNodeAllocatable: [none]
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
featureGates: { KubeletInUserNamespace: true }
podLogsDir: $run/pods
volumePluginDir: $run/plugins
evictionHard: { memory.available: 50Mi }
# Otherwise a ConfigMap that changed may wait for a minute.
syncFrequency: 2s
TEXT
}

containerd_file() {
  cat >"$run/containerd.toml" <<TEXT
version = 3
root = "$run/containerd"
[plugins.'io.containerd.internal.v1.opt']
  path = "$run/opt"
[grpc]
  address = "$run/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$run/cni"
TEXT
}

# What claims are given, each once.
volumes_file() {
  local number
  for number in {1..9}; do
    cat <<TEXT
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: lab-$number }
spec:
  capacity: { storage: 20Gi }
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  local: { path: $run/volumes/$number }
  nodeAffinity:
    required:
      nodeSelectorTerms: [{ matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [$node] }] }]
TEXT
  done >"$run/volumes.yaml"
}

cgroups() {
  local mount file
  while read -r mount; do
    mkdir -p "$mount/$group"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -s "$mount/$file" ] || cat "$mount/$file" >"$mount/$group/$file"
    done
  done < <(findmnt -rno TARGET -t cgroup,cgroup2)
}

# Those that were not there go again.
mount_points() {
  local folder
  for folder in "${fixed[@]}"; do
    [ -d "$folder" ] || { mkdir "$folder"; echo "$folder" >>"$run/made"; }
  done
}
