#!/bin/sh
# Warder's launch command, form 1: what the configuration of a host names. It starts the recorded Node with the recorded
# Warder. Where one of them is gone it looks for another, records that, and says what to do if there is none. The command
# line writes this file and keeps it right: src/os/launch-command.ts.
node=''
program=''
start() {
  # As in src/os/connect.ts.
  if [ "${1-} ${2-}" = 'daemon run' ]; then
    exec "$node" --max-semi-space-size=1 --no-incremental-marking --disable-sigusr1 "$program" "$@"
  fi
  exec "$node" "$program" "$@"
}
# A Node that cannot be executed, of another machine for instance, is as one that is gone: bash goes on where it is told to,
# dash ends, and begins again without it.
if [ -z "${WARDER_NODE_FAILED-}" ] && [ -x "$node" ] && [ -f "$program" ]; then
  # shellcheck disable=SC3044
  if [ -n "${BASH_VERSION-}" ]; then
    shopt -s execfail
  else
    trap 'WARDER_NODE_FAILED=1 exec /bin/sh "$0" "$@"' EXIT
  fi
  start "$@"
fi
unset WARDER_NODE_FAILED

# The shell has read no further than this if the record holds.
recorded_node=$node
recorded_program=$program
callers_path=${PATH-}
PATH=/usr/bin:/bin:/usr/sbin:/sbin
uid=$(id -u)
unsafe=''

# guarded PATH: it belongs to this user or root, and nobody else can write to it. Entries of a sticky folder are their
# owner's. A group may write if it is root's, the user's own, or the one of macOS's administrators.
guarded() {
  set -f
  # shellcheck disable=SC2046
  set -- $(ls -ldn "$1" 2>/dev/null)
  set +f
  [ "${3-}" = 0 ] || [ "${3-}" = "$uid" ] || return 1
  case $1 in
    l* | d????????[tT]*) return 0 ;;
    ????????w*) return 1 ;;
    ?????w*) [ "$4" = 0 ] || [ "$4" = "$uid" ] || { [ "$4" = 80 ] && [ -d /System/Library ]; } ;;
  esac
}

# safe PATH LINKS: so are all folders above it and all that its links, LINKS at most, lead to.
safe() {
  case $1 in
    '' | /) guarded / && return ;;
    */) safe "${1%/}" "$2" && return ;;
    *)
      safe "${1%/*}" "$2" && guarded "$1" || return 1
      [ -L "$1" ] || return 0
      [ "$2" -gt 0 ] || return 1
      target=$(readlink "$1")
      case $target in
        /*) safe "$target" $(($2 - 1)) ;;
        *) safe "${1%/*}/$target" $(($2 - 1)) ;;
      esac
      ;;
  esac
}

# usable FILE: it is there, and safe.
usable() {
  [ -f "$1" ] || return 1
  safe "$1" 16 && return
  : "${unsafe:=$1}"
  return 1
}

# version_of NODE: sets `version` to a number that grows with the version. Fails if Warder does not run on it.
version_of() {
  [ -x "$1" ] && usable "$1" || return 1
  version=$(cd / && "$1" --version 2>/dev/null </dev/null) || return 1
  case $version in
    v[0-9]*.[0-9]*.[0-9]*) ;;
    *) return 1 ;;
  esac
  version=${version#v}
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  case $major$minor in *[!0-9]*) return 1 ;; esac
  version=$((major * 10000 + minor))
  [ "$version" -ge 220022 ]
}

# try PREFIX...: looks for what is missing below each, where installations have it.
try() {
  for prefix; do
    if [ -z "$program" ] && usable "$prefix/lib/node_modules/warder/bin/warder.js"; then
      program=$prefix/lib/node_modules/warder/bin/warder.js
    fi
    [ -z "$settled" ] || continue
    for file in "$prefix/bin/node" "$prefix/bin/nodejs"; do
      if version_of "$file" && [ "$version" -gt "$newest" ]; then
        newest=$version
        node=$file
      fi
    done
  done
}

# A Node or a Warder that another user can change is refused, also if it was recorded.
version_of "$node" || node=''
usable "$program" || program=''
[ -z "$node" ] || recorded_node=''
# Whether one was found in an earlier place: a newer one of a later place does not count.
settled=$node
newest=0

# PATH first, but neither relative entries nor the shims of version managers, which choose by the working folder.
rest=$callers_path:
while [ -n "$rest" ]; do
  entry=${rest%%:*}
  rest=${rest#*:}
  case $entry in
    */shims | */shims/* | */.volta/bin | */.volta/bin/) ;;
    /*/bin | /*/bin/) [ -n "$node" ] && [ -n "$program" ] || try "${entry%/bin*}" ;;
    /*) [ -n "$node" ] || ! version_of "${entry%/}/node" || node=${entry%/}/node ;;
  esac
  settled=$node
done

# Then the newest of what the usual version managers and systems have.
home=''
case ${HOME-} in /*) home=$HOME ;; esac
if [ -z "$node" ] || [ -z "$program" ]; then
  if [ -n "$home" ]; then
    try "${NVM_DIR:-$home/.nvm}"/versions/node/* \
      "${FNM_DIR:-$home/.local/share/fnm}"/node-versions/*/installation \
      "$home"/.fnm/node-versions/*/installation \
      "$home/Library/Application Support/fnm"/node-versions/*/installation \
      "${VOLTA_HOME:-$home/.volta}"/tools/image/node/* \
      "${VOLTA_HOME:-$home/.volta}"/tools/image/packages/warder \
      "${ASDF_DATA_DIR:-$home/.asdf}"/installs/nodejs/* \
      "${MISE_DATA_DIR:-$home/.local/share/mise}"/installs/node/* \
      "${NODENV_ROOT:-$home/.nodenv}"/versions/* \
      "${N_PREFIX:-$home/n}" "${N_PREFIX:-$home/n}"/n/versions/node/* "$home"/.n "$home"/.n/n/versions/node/* \
      "$home"/.nvs/node/*/* "$home"/.nodebrew/node/* "$home"/.npm-global "$home"/.local "$home"/.nix-profile
  fi
  try /usr/local/n/versions/node/* /usr/local /usr /opt/homebrew /opt/homebrew/opt/node* /usr/local/opt/node* \
    /home/linuxbrew/.linuxbrew /home/linuxbrew/.linuxbrew/opt/node* /opt/local /opt/node* /opt/nodejs/* \
    /run/current-system/sw /nix/var/nix/profiles/default /snap/node/current
fi

if [ -n "$node" ] && [ -n "$program" ]; then
  PATH=$callers_path
  "$node" "$program" --record-launch-command "$0" </dev/null >/dev/null 2>&1
  start "$@"
fi

# There is none: say so, to a host as well.
if [ -z "$program" ]; then
  message="Warder is no longer at ${recorded_program:-its place}"
  hint='install it again with "npm install -g warder": it is then found'
else
  message="no Node that Warder can use was found${recorded_node:+, and $recorded_node is gone or too old}"
  hint='install Node 22.22 or later, from nodejs.org or with a version manager: it is then found'
fi
if [ -n "$unsafe" ]; then
  message="$message; $unsafe was refused, because other users can change it"
  hint="$hint, if only you and root can write to it and to the folders above it"
fi
printf 'warder: error: %s\nwarder: hint: %s\n' "$message" "$hint" >&2

# answer: reads lines up to the first request, and answers it. The id of a message stands in its outermost object.
answer() {
  while IFS= read -r line; do
    id=$(printf '%s\n' "$line" | awk '{
      depth = 0; wants = 0; key = ""; id = ""; method = 0; n = length($0)
      for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        if (c == "\"") {
          for (j = i + 1; j <= n && substr($0, j, 1) != "\""; j++) if (substr($0, j, 1) == "\\") j++
          text = substr($0, i, j - i + 1); i = j
          if (depth == 1 && !wants) key = text
          else if (depth == 1 && key == "\"id\"") id = text
          else if (depth == 1 && key == "\"method\"") method = 1
        } else if (c == "{" || c == "[") { if (++depth == 1 && c == "[") exit }
        else if (c == "}" || c == "]") depth--
        else if (depth == 1 && c == ":") wants = 1
        else if (depth == 1 && c == ",") wants = 0
        else if (depth == 1 && wants && key == "\"id\"" && c ~ /[-0-9]/) {
          for (j = i; j <= n && substr($0, j, 1) ~ /[-+.eE0-9]/; j++);
          id = substr($0, i, j - i); i = j - 1
        }
      }
      if (method && id != "") print id
    }')
    [ -n "$id" ] || continue
    printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32015,"message":"%s","data":{"code":"unsupported","hint":"%s"}}}\n' \
      "$id" "$(json "$message")" "$(json "$hint")"
    return
  done
}

# json TEXT: as the inside of a JSON string.
json() { printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

if [ "$#" -eq 2 ] && [ "$1" = run ]; then
  # The host may ask until a second after the start.
  exec 3<&0
  answer <&3 2>/dev/null &
  reader=$!
  (sleep 1 && kill "$reader") </dev/null >/dev/null 2>&1 3<&- &
  timer=$!
  wait "$reader" 2>/dev/null
  kill "$timer" 2>/dev/null
fi
exit 69
