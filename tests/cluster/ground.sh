# What every scene stands on: a namespace that takes nothing but restricted pods, secrets, a database, an administrator's desk.
# shellcheck shell=bash

# The daemon's role is the same in every database; the owner of tables is PostgreSQL's superuser.
role=forgetd role_password=role-of-tests owner_password=owner-of-tests

# namespace NAME: with the strictest level of Pod Security.
namespace() {
  in_cluster kubectl create namespace "$1"
  in_cluster kubectl label namespace "$1" pod-security.kubernetes.io/enforce=restricted "forgetd-test=$cluster_prefix"
}

# url USER PASSWORD HOST DATABASE
url() { echo "postgres://$1:$2@$3/$4"; }

# secrets NAME URL-KEY DATABASE [FILE..]: the Secrets that the values of a scene name. The service has its short name in its own
# namespace, and the namespace behind it elsewhere.
secrets() {
  local name="$1" key="$2" database="$3" host=shop-postgresql file files=()
  shift 3
  [ "$ns" = "$home_ns" ] || host="shop-postgresql.$home_ns"
  for file in "$@"; do files+=("--from-file=$file"); done
  k create secret generic "$name" "--from-literal=$key=$(url "$role" "$role_password" "$host" "$database")" "${files[@]}"
  k create secret generic forgetd-owner "--from-literal=$key=$(url postgres "$owner_password" "$host" "$database")"
}

# desk FOLDER FILE DATABASE <MANIFESTS: an administrator's folders, with the policy that the pods have and a way to the database
# from outside: as the daemon's role, and below owner/ as the owner.
desk() {
  local folder="$1" file="$2" database="$3" host
  host="127.0.0.1:$(cat "$work/reach.port")"
  mkdir -p "$folder/owner"
  python3 tests/chart/rendered.py config "$folder/policy"
  sed "s|/run/secrets/forgetd/|$folder/|" "$folder/policy" >"$folder/forgetd.yaml"
  # It may have the owner's URL and every other file of the role's.
  sed "s|/run/secrets/forgetd/$file|$folder/owner/url|; s|/run/secrets/forgetd/|$folder/|" "$folder/policy" >"$folder/owner/forgetd.yaml"
  url "$role" "$role_password" "$host" "$database" >"$folder/$file"
  url postgres "$owner_password" "$host" "$database" >"$folder/owner/url"
}

# grants FOLDER DATABASE: what a DBA does with what `install --print` prints.
grants() {
  outside "$1/owner" install --print --role "$role" >"$1/printed.sql"
  in_cluster timeout 60 kubectl --namespace "$home_ns" exec -i shop-postgresql-0 -- \
    psql -qX -v ON_ERROR_STOP=1 -U postgres "$2" <"$1/printed.sql"
  echo "$(grep -ci '^grant' "$1/printed.sql") grants"
}

# tables_of_hook DATABASE: whatever a hook makes for forgetd is the role's to use at once, as docs/dba.md has it.
tables_of_hook() {
  sql "$1" "create schema forgetd;
    grant usage on schema forgetd to $role;
    alter default privileges in schema forgetd grant select, insert, update, delete on tables to $role"
}
