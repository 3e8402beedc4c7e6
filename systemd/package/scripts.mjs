/** The maintainer scripts: what dpkg runs when the package comes, changes and goes. */

const UNITS = "'sparsewire-sensor@*.service' sparsewire-aggregator.service";

/** Nothing is enabled: an interface has to be chosen first. */
const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers sparsewire.conf
    elif ! getent passwd sparsewire >/dev/null; then
        useradd --system --user-group --no-create-home --home-dir /var/lib/sparsewire \\
            --shell /usr/sbin/nologin --comment Sparsewire sparsewire
    fi
    if command -v systemd-tmpfiles >/dev/null; then
        systemd-tmpfiles --create sparsewire.conf || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload || true
        if [ -n "$2" ]; then
            # An upgrade: what runs, runs the new version.
            systemctl --system try-restart ${UNITS} || true
        fi
    fi
fi
exit 0
`;

const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system stop ${UNITS} || true
    # What goes on bridging without sensors (mode inline) goes with the command that could end it.
    for at in /run/sparsewire-bpf/inline/*; do
        [ -d "$at" ] || continue
        /usr/bin/sparsewire sensor --release --config /dev/null --interface "$(basename "$at" | tr : .)" || true
    done
    systemctl --system stop sparsewire-bpf.service || true
fi
exit 0
`;

/** Conffiles are dpkg's to remove; secrets in /etc/credstore are the administrator's. */
const postrm = `#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -f /etc/systemd/system/*.wants/sparsewire-sensor@*.service
    rm -f /etc/systemd/system/*.wants/sparsewire-aggregator.service
    rm -rf /var/lib/sparsewire /var/lib/private/sparsewire /run/sparsewire
    rmdir /run/sparsewire-bpf 2>/dev/null || true
    rm -f /etc/sparsewire/sensor-*.toml
    if [ -d /etc/sparsewire ]; then
        rmdir --ignore-fail-on-non-empty /etc/sparsewire
    fi
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
fi
exit 0
`;

export const SCRIPTS = { postinst, prerm, postrm };
