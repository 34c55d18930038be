# The same sidecar without Helm: examples/kubernetes-kustomize.
# shellcheck shell=bash

kustomized_pods=app=shop

scene_kustomized() {
  ns="$cluster_prefix-kustomized" kustomized_desk="$scene/desk"
  mkdir -p "$kustomized_desk"
  seen 'a namespace of level restricted, keys and secrets' kustomized_ground
  seen 'control tables and grants by hand, before' kustomized_installed
  seen 'kustomize and kubectl apply' kustomized_applied
  seen 'native sidecars, started first' kustomized_beside
  seen 'one of three acts' wait_for 90 holder "$kustomized_pods"
  seen 'check --connect in a pod' k exec deployment/shop --container forgetd -- forgetd check --connect
}

kustomized_ground() {
  namespace "$ns"
  wait_for 30 k get serviceaccount default
  "$forgetd" keys new evidence --out "$kustomized_desk/evidence.key"
  secrets forgetd shop-url kustomized "$kustomized_desk/evidence.key"
  sql kustomized "$(cat examples/postgres-sidecar/shop.sql)"
}

# Its names are another cluster's.
kustomized_installed() {
  kustomize build --load-restrictor LoadRestrictionsNone examples/kubernetes-kustomize |
    sed "s|namespace: shop|namespace: $ns|; s|registry.example.com/shop:.*|$shop_image|; s|registry.example.com/forgetd:.*|$forgetd_image|" >"$scene/kustomized.yaml"
  desk "$kustomized_desk" shop-url kustomized <"$scene/kustomized.yaml"
  outside "$kustomized_desk/owner" install
  grants "$kustomized_desk" kustomized
}

kustomized_applied() {
  k apply --server-side --filename "$scene/kustomized.yaml"
  k rollout status deployment/shop --timeout 90s
}

kustomized_beside() { k get pods --selector "$kustomized_pods" --output json | python3 tests/cluster/look.py beside; }
