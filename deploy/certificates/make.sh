#!/usr/bin/env bash
# A private CA for shoal, and certificates that say which role their holder has.
#
#   make.sh all   DIR [--host HOST]...                  a CA and a certificate for each role
#   make.sh ca    DIR                                   only the CA
#   make.sh issue DIR NAME --role ROLE... [--host HOST]...   one more certificate, in DIR/NAME
#   make.sh renew DIR NAME                              a new key and certificate like the one there
#
#   --role ROLE   coordinator, learner, actor, operator (gives orders) or reader (only looks)
#   --host HOST   name or address that the certificate holds too, for other tools (shoal asks for roles)
#   --days N      valid for so long (default: CA 3650, certificates 365)
#   --force       replace what is there; of `ca` and `all` that makes every older certificate worthless
#
# DIR/ca/ca.key signs: keep it off the machines that run shoal. DIR/NAME has ca.pem, cert.pem and
# key.pem, as --tls_dir takes them; it is a link to a folder beside it, so that renewal changes all at
# once. Keys are readable by their owner only (0600).
set -euo pipefail
umask 077

usage() { sed -n '2,18s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "make.sh: $*" >&2; exit 1; }

roles_known=(coordinator learner actor operator reader)

is_one_of() {
  local wanted=$1 word
  shift
  for word in "$@"; do [ "$word" = "$wanted" ] && return 0; done
  return 1
}

# Runs openssl; shows what it says only where it fails.
quiet_openssl() {
  local said
  said=$(openssl "$@" 2>&1) || fail "openssl $1 failed: $said"
}

new_key() { quiet_openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

make_ca() {
  if [ -e "$dir/ca/ca.key" ] && ! $force; then
    fail "$dir/ca/ca.key is there already; --force replaces it, and every certificate it signed is void"
  fi
  mkdir -p "$dir/ca"
  cat >"$dir/ca/ca.cnf" <<END
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
O = shoal
CN = shoal CA $(date -u +%Y-%m-%d)
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
END
  new_key "$dir/ca/ca.key.new"
  quiet_openssl req -x509 -new -sha256 -key "$dir/ca/ca.key.new" -config "$dir/ca/ca.cnf" \
    -days "${days:-3650}" -out "$dir/ca/ca.pem.new"
  mv "$dir/ca/ca.key.new" "$dir/ca/ca.key"
  mv "$dir/ca/ca.pem.new" "$dir/ca/ca.pem"
  echo "$dir/ca/ca.pem: a new CA"
}

# write_request FILE NAME: what a certificate is to say.
write_request() {
  local n=0 names="" word
  for word in "${roles[@]}"; do
    n=$((n + 1))
    names+="URI.$n = shoal://role/$word"$'\n'
  done
  n=0
  for word in ${hosts[@]+"${hosts[@]}"}; do
    n=$((n + 1))
    if [[ $word =~ ^[0-9.]+$ || $word == *:* ]]; then names+="IP.$n = $word"$'\n'
    else names+="DNS.$n = $word"$'\n'; fi
  done
  cat >"$1" <<END
[req]
prompt = no
distinguished_name = name
[name]
O = shoal
CN = $2
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = @names
[names]
$names
END
}

# sign NAME REQUEST: a key and a certificate in a folder of their own, then DIR/NAME leads there.
sign() {
  local name=$1 request=$2 folder old=""
  folder=$(mktemp -d "$dir/.$name.XXXXXX")
  cp "$request" "$folder/cert.cnf"
  new_key "$folder/key.pem"
  quiet_openssl req -new -sha256 -key "$folder/key.pem" -config "$folder/cert.cnf" -out "$folder/cert.csr"
  quiet_openssl x509 -req -sha256 -in "$folder/cert.csr" -CA "$dir/ca/ca.pem" -CAkey "$dir/ca/ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -days "${days:-365}" \
    -extfile "$folder/cert.cnf" -extensions extensions -out "$folder/cert.pem"
  cp "$dir/ca/ca.pem" "$folder/ca.pem"
  rm "$folder/cert.csr"
  [ -L "$dir/$name" ] && old=$(readlink "$dir/$name")
  # A link is replaced in one step: nobody sees a key without its certificate.
  ln -s "$(basename "$folder")" "$folder.link"
  mv -T "$folder.link" "$dir/$name"
  if [ -n "$old" ]; then rm -r "${dir:?}/$old"; fi
  echo "$dir/$name: $(openssl x509 -in "$folder/cert.pem" -noout -enddate | sed 's/notAfter=/valid until /')"
}

need_ca() { [ -e "$dir/ca/ca.key" ] || fail "no CA in $dir; make one: make.sh ca $dir"; }

issue() {
  local name=$1 request
  if [ -e "$dir/$name" ] && ! $force; then
    fail "$dir/$name is there already; renew it (make.sh renew $dir $name), or --force replaces it"
  fi
  request=$(mktemp "$dir/.request.XXXXXX")
  write_request "$request" "$name"
  sign "$name" "$request"
  rm "$request"
}

[ $# -ge 2 ] || usage
command=$1 dir=$2
shift 2
name="" days="" force=false roles=() hosts=()
if [ "$command" = issue ] || [ "$command" = renew ]; then
  [ $# -ge 1 ] || usage
  name=$1
  shift
  [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$ && $name != ca ]] ||
    fail "\"$name\": a name has letters, digits, '.', '_' and '-', and is not ca"
fi
while [ $# -gt 0 ]; do
  case "$1" in
    --force) force=true ;;
    --role | --host | --days)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case "$1" in
        --role)
          is_one_of "$2" "${roles_known[@]}" || fail "\"$2\" is no role; roles are ${roles_known[*]}"
          roles+=("$2") ;;
        --host)
          [[ $2 =~ ^[A-Za-z0-9*:._-]+$ ]] || fail "\"$2\" is neither a host name nor an address"
          hosts+=("$2") ;;
        --days)
          [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || fail "\"$2\": --days takes a number from 1 to 99999"
          days=$2 ;;
      esac
      shift ;;
    *) usage ;;
  esac
  shift
done
command -v openssl >/dev/null || fail "there is no openssl; deploy/packages.sh installs it"
mkdir -p "$dir"

case "$command" in
  ca) make_ca ;;
  all)
    if [ ${#hosts[@]} -eq 0 ]; then hosts=(localhost 127.0.0.1); fi
    if ! $force; then
      for name in ca "${roles_known[@]}"; do
        [ ! -e "$dir/$name" ] || fail "$dir/$name is there already; --force replaces everything"
      done
    fi
    days_given=$days
    days=""
    make_ca
    days=$days_given
    for name in "${roles_known[@]}"; do
      roles=("$name")
      issue "$name"
    done ;;
  issue)
    [ ${#roles[@]} -gt 0 ] || fail "issue needs --role; roles are ${roles_known[*]}"
    need_ca
    issue "$name" ;;
  renew)
    need_ca
    [ -e "$dir/$name/cert.cnf" ] || fail "no certificate $dir/$name; make one: make.sh issue $dir $name --role ROLE"
    [ ${#roles[@]} -eq 0 ] && [ ${#hosts[@]} -eq 0 ] ||
      fail "renew keeps roles and hosts; for others: make.sh issue $dir $name --force"
    sign "$name" "$dir/$name/cert.cnf" ;;
  *) usage ;;
esac
