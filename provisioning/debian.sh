#!/bin/sh
# Sees to it that Debian's packages named as arguments are there: installs what is missing where it
# may (as root, or by a sudo that does not ask), and otherwise says in one line what to install.
# Ends with 1 when something is still missing.

missing() {
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root='sudo -n'; fi
    $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends "$@"
}

needed=$(missing "$@")
[ -z "$needed" ] && exit 0
if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
    echo "Installing: $needed"
    # shellcheck disable=SC2086  # a list of names, one word each
    install $needed >/dev/null
fi
needed=$(missing "$@")
[ -z "$needed" ] && exit 0
echo "Missing: $needed(as root: apt-get install $needed)" >&2
exit 1
