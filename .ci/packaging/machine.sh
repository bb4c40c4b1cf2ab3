# A Debian with systemd, in the namespaces of the script that reads this: $root is its file system, $machine a folder beside it in memory, $home the
# folder in there that commands are run in.

machine="$(mktemp -d)"
mount -t tmpfs tmpfs "$machine"
root="$machine/root"
home=/srv/stranger
mkdir "$machine"/{changes,work,root}
mount -t overlay overlay -o "lowerdir=$repository/$debian,upperdir=$machine/changes,workdir=$machine/work" "$root"
trap '{ kill -9 "$boot" && wait "$boot"; } 2>/dev/null; umount -R "$root" "$machine" 2>/dev/null; rmdir "$machine" 2>/dev/null' EXIT
mkdir -m 700 "$root$home"
ip link set lo up
echo debian > "$root/etc/hostname"
printf '127.0.0.1 localhost debian personas.example\n' > "$root/etc/hosts"

cat > "$machine/boot" <<'END'
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for device in null zero full random urandom tty; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
exec env -i container=other PATH=/usr/sbin:/usr/bin chroot "$1" /lib/systemd/systemd --show-status=0
END
unshare --mount --pid --fork --kill-child --ipc --uts --cgroup bash "$machine/boot" "$root" > "$machine/boot.log" 2>&1 < /dev/null &
boot=$!

say() { printf '\n== %s\n' "$*"; }

fail() {
    echo "FAILED${1:+: $1}" >&2
    inside "journalctl -u personas -u personas-backup -o cat -n 30 --no-pager" >&2 || true
    exit 1
}

# Runs a command in there as root.
inside() {
    nsenter --target "$init" --mount --uts --ipc --pid --cgroup --root --wdns="$home" \
        env -i PATH=/usr/sbin:/usr/bin HOME="$home" LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive MANWIDTH=80 bash -c "$1" < /dev/null
}

# The same as part of the story.
run() {
    echo "# $1"
    inside "$1" 2>&1 | sed '/^(Reading database/d; /^debconf: delaying/d' || fail "$1"
}

# Makes sure that something is so, and shows what it says where it is not.
check() {
    local output
    output="$(inside "set -o pipefail; $2" 2>&1)" || { echo "$output" >&2; fail "$1"; }
    echo "ok: $1"
}

# Waits until something is so.
await() {
    local deadline=$((SECONDS + 30))
    until inside "set -o pipefail; $2" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || { inside "$2" >&2 || true; fail "$1"; }
        sleep 0.1
    done
    echo "ok: $1"
}

init=
deadline=$((SECONDS + 30))
until init="$(pgrep -P "$boot")" && inside "systemctl is-system-running" 2>/dev/null | grep -qE 'running|degraded'; do
    [ "$SECONDS" -lt "$deadline" ] || { cat "$machine/boot.log" >&2; echo "systemd does not start here" >&2; exit 1; }
    sleep 0.1
done
