# Debian packages that a script needs, installed where that may be: root or sudo without a password. To be sourced; who
# does calls allow_services when it ends, whatever happens.
# shellcheck shell=bash

# Where Debian keeps servers, which is not on everybody's path.
PATH=$PATH:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
own_policy=no

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null && { ((EUID == 0)) || sudo -n true 2>/dev/null; }
}

# Debian asks this file whether an installed package may start its service: 101 is no.
forbid_services() {
    if [[ ! -e $policy ]]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
}

allow_services() {
    if [[ $own_policy == yes ]]; then
        own_policy=no
        as_root rm -f "$policy"
    fi
}

apt_get() {
    local log failed=0
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" \
        </dev/null >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "error: apt-get $* failed" >&2
        failed=1
    fi
    rm -f "$log"
    return "$failed"
}

# Some packages bring a service that would take a port, 9090 or 80. It is kept from starting, now and at the next boot,
# but only here, where the package is installed: a service that somebody runs is left alone.
install_packages() {
    local package known=() services=()
    apt_get update
    for package in "$@"; do
        if ! apt-cache show "$package" >/dev/null 2>&1; then
            echo "this system has no package $package"
            continue
        fi
        known+=("$package")
        if [[ $package == prometheus || $package == nginx ]] && ! dpkg-query -W "$package" >/dev/null 2>&1; then
            services+=("$package.service")
        fi
    done
    ((${#known[@]} > 0)) || return 0
    forbid_services
    apt_get install -y --no-install-recommends "${known[@]}"
    allow_services
    if ((${#services[@]} > 0)) && [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now "${services[@]}"
    fi
}

# Each as COMMAND=PACKAGE: installs the packages of commands that are not here, or says that it may not.
install_missing() {
    local wanted missing=()
    for wanted in "$@"; do
        command -v "${wanted%%=*}" >/dev/null || [[ " ${missing[*]} " == *" ${wanted#*=} "* ]] || missing+=("${wanted#*=}")
    done
    if ((${#missing[@]} == 0)); then
        echo "all of them are here: ${*%%=*}"
    elif may_install; then
        echo "installing: ${missing[*]}"
        install_packages "${missing[@]}"
    else
        echo "missing, and this user may not install them: ${missing[*]}"
    fi
}
