# Sourced by the scripts beside it: what every service of the tests needs. Linux only.
#
# A service lives in a folder, which is its working directory too: its configuration, its data, its log, `pid`, and in `begun` when that process was, which tells
# whether the number still means it. (Its working directory would not: Java leaves its own for a moment while it starts.)
set -euo pipefail
service=${0##*/}
# Programs that were fetched or built once, for all runs.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice-servers
# Where Go puts itself, without telling the shell.
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin

die() { # MESSAGE [STATUS]: status 3 says that something must be installed first
  echo "$service: $1" >&2
  exit "${2:-1}"
}

debian() { # PROGRAM PACKAGE...: installs the packages where the program is missing and we may, without starting what they bring
  local program=$1 lock log=$cache/apt.log
  shift
  command -v "$program" >/dev/null && return
  ((EUID == 0)) && command -v apt-get >/dev/null || die "$program is missing; install the package $1" 3
  mkdir -p "$cache"
  exec {lock}>"$cache/apt.lock"
  flock "$lock"
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  local install=(apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
  "${install[@]}" >"$log" 2>&1 || { apt-get -q update && "${install[@]}"; } >>"$log" 2>&1 || true
  exec {lock}>&-
  command -v "$program" >/dev/null || { tail -n 5 "$log" >&2; die "the package $1 could not be installed" 3; }
}

once() { # FOLDER COMMAND...: makes the folder by COMMAND, which gets a fresh one as its last argument: a run that broke off leaves nothing behind
  local home=$1 new
  shift
  [[ -d $home ]] && return
  mkdir -p "${home%/*}"
  new=$(mktemp -d "$home.XXXXXX")
  if ! "$@" "$new" >"$home.log" 2>&1; then
    rm -rf "$new"
    tail -n 8 "$home.log" >&2
    die "${home##*/} could not be fetched or built" 3
  fi
  mv -T "$new" "$home" 2>/dev/null || rm -rf "$new" # Another run may have been first.
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

begun() { # PID: when it was, in ticks since the machine was; nothing once its last thread has ended
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -ra stat <<<"${stat##*) }" # The name before may hold spaces.
  [[ ${stat[0]} == [ZX] ]] && ((stat[17] <= 1)) || echo "${stat[19]}"
}

running() { # DIR: the pid of its live process, if any; a number that went on to another program does not count
  local pid told now
  pid=$(cat "$1/pid" 2>/dev/null) && told=$(cat "$1/begun" 2>/dev/null) || return 0
  now=$(begun "$pid")
  [[ $now && $now == "$told" ]] && echo "$pid" || true
}

launch() { # DIR COMMAND...: starts it in DIR, in a process group of its own and without our open files
  local dir=$1
  shift
  pushd "$dir" >/dev/null
  set -m
  (
    for file in /dev/fd/*; do file=${file##*/}; ((file < 3 || file > 250)) || eval "exec $file>&-"; done
    exec "$@"
  ) >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  begun $! >"$dir/begun"
  disown
  set +m
  popd >/dev/null
}

await() { # DIR CHECK...: until CHECK succeeds; says why it never does
  local dir=$1 deadline=$((SECONDS + 60)) trouble=''
  shift
  until "$@" >/dev/null 2>&1; do
    [[ $(running "$dir") ]] || trouble='it ended while starting'
    ((SECONDS < deadline)) || trouble='it did not answer within 60 s'
    if [[ $trouble ]]; then
      grep -v $'^\tat ' "$dir/log" | tail -n 12 >&2 || true
      end "$dir" KILL
      die "$trouble; its log is $dir/log"
    fi
    sleep 0.1
  done
}

end() { # DIR [SIGNAL]: ends its process, by force after 15 s
  local pid
  pid=$(running "$1")
  if [[ $pid ]]; then
    kill -"${2:-TERM}" "$pid"
    for _ in {1..150}; do [[ $(running "$1") ]] || break; sleep 0.1; done
    [[ ! $(running "$1") ]] || kill -9 "$pid"
  fi
  rm -f "$1/pid" "$1/begun"
}
