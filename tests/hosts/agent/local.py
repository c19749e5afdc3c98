"""A host in a scratch folder: real agents under a real sh; stubs for `ip`, `systemctl` etc."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from provision.core.errors import HostError
from provision.hosts.protocol import BOOTSTRAP, MARKER, encode_program

ME = pwd.getpwuid(os.getuid()).pw_name
GROUP = "root" if os.getuid() == 0 else ME

STUBS = {
    "ip": r"""#!/bin/sh
file=$HACTL_ROOT/addresses
case "$*" in
'-o addr show') cat "$file" ;;
'-o addr show dev '*) grep "^[0-9]*: $5 " "$file" ;;
'addr add '*)
    [ ! -e "$HACTL_ROOT/ip-refuses" ] || {
        echo 'RTNETLINK answers: Operation not permitted' >&2
        exit 2
    }
    echo "9: $5    inet $3 scope global ${7-$5}\\       valid_lft forever" >>"$file" ;;
'addr del '*) grep -v " inet $3 " "$file" >"$file.new"; mv "$file.new" "$file" ;;
*) exit 9 ;;
esac
""",
    "systemctl": r"""#!/bin/sh
units=$HACTL_ROOT/units
echo "$*" >>"$units/log"
[ "$1" != --no-block ] || shift
verb=$1
for last; do :; done
unit=$units/$last
fresh() {
    n=$(($(cat "$units/pids" 2>/dev/null || echo 100) + 1))
    echo $n >"$units/pids"
    echo $n >"$unit/pid"
}
case $verb in
show)
    properties=$3
    shift 3
    [ "$1" != -- ] || shift
    first=yes
    for name; do
        [ $first = yes ] || echo
        first=no
        unit=$units/$name
        pid=0
        [ ! -e "$unit/active" ] || pid=$(cat "$unit/pid")
        began=0
        [ ! -e "$unit/began" ] || began=$(cat "$unit/began")
        changed=$began
        [ ! -e "$unit/changed" ] || changed=$(cat "$unit/changed")
        for property in MainPID=$pid \
            InactiveExitTimestampMonotonic=$began StateChangeTimestampMonotonic=$changed \
            UnitFileState=$([ -e "$unit/enabled" ] && echo enabled || echo disabled) \
            ActiveState=$(rm "$unit/reloading" 2>/dev/null && echo reloading ||
                { [ -e "$unit/active" ] && echo active; } || echo inactive) \
            InvocationID=$([ $pid = 0 ] || echo inv$pid) \
            "TimeoutStartUSec=$(cat "$unit/start-limit" 2>/dev/null || echo infinity)" \
            "TimeoutStopUSec=$(cat "$unit/stop-limit" 2>/dev/null || echo 0)"; do
            case ,$properties, in *",${property%%=*},"*) echo "$property" ;; esac
        done
    done ;;
is-active) [ -e "$unit/active" ] ;;
is-enabled) [ -e "$unit/enabled" ] ;;
enable) mkdir -p "$unit"; echo yes >"$unit/enabled" ;;
disable) rm -f "$unit/enabled" ;;
start)
    mkdir -p "$unit"
    [ ! -e "$unit/broken" ] || { echo "Job for $last failed." >&2; exit 1; }
    fresh
    echo yes >"$unit/active" ;;
restart) fresh; echo yes >"$unit/active" ;;
stop) rm -f "$unit/active" ;;
reload)
    [ ! -e "$unit/slow" ] || sleep "$(cat "$unit/slow")"
    [ ! -e "$unit/lingers" ] || touch "$unit/reloading"
    [ ! -e "$unit/dies" ] || { rm "$unit/active"; exit 0; }
    [ ! -e "$unit/broken" ] || { echo "Job for $last failed." >&2; exit 1; } ;;
daemon-reload) ;;
is-system-running) cat "$HACTL_ROOT/system-state" 2>/dev/null || echo running ;;
*) exit 9 ;;
esac
""",
    "dpkg-query": r"""#!/bin/sh
cat "$HACTL_ROOT/packages"
""",
    "apt-get": r"""#!/bin/sh
echo "$SYSTEMD_OFFLINE $*" >>"$HACTL_ROOT/apt-log"
[ "${1#*update}" = "$1" ] || exit 0
for name; do :; done
[ "$name" != no-such ] || { echo "E: Unable to locate package no-such"; exit 100; }
echo "ii $name 1.0" >>"$HACTL_ROOT/packages"
""",
    "modprobe": r"""#!/bin/sh
modules=$HACTL_ROOT/sys/module
if [ "$1" = -r ]; then rmdir "$modules/$2"; else mkdir -p "$modules/$1"; fi
""",
}

FOREVER = "valid_lft forever preferred_lft forever"
FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "proc/sys/kernel/hostname": "web1\n",
    "proc/sys/kernel/osrelease": "6.1.0-31-cloud-amd64\n",
    "proc/sys/net/ipv4/ip_forward": "0\n",
    "proc/sys/net/ipv4/conf/all/arp_ignore": "0\n",
    "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
    "proc/uptime": "1000.50 900.00\n",
    "proc/net/route": "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
    "eth1\t00000000\t01E3A8C0\t0003\t0\t0\t200\t00000000\n"
    "eth0\t00000000\t01E3A8C0\t0003\t0\t0\t100\t00000000\n"
    "eth0\t00E3A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
    "addresses": f"1: lo    inet 127.0.0.1/8 scope host lo\\       {FOREVER}\n"
    f"1: lo    inet 192.168.227.20/32 scope global lo:5\\       {FOREVER}\n"
    "2: eth0    inet 192.168.227.103/24 brd 192.168.227.255 scope global eth0"
    "\\       valid_lft forever\n"
    f"2: eth0    inet6 fd00::103/64 scope global \\       {FOREVER}\n"
    f"2: eth0    inet6 fe80::1/64 scope link \\       {FOREVER}\n"
    f"3: eth1    inet 10.0.0.3/8 scope global eth1\\       {FOREVER}\n",
    "packages": "ii dash 0.5.12-2\nrc nginx 1.22.1-9\nii keepalived 1:2.2.7-1+b2\nhi held 3\n",
    "units/log": "",
}


def content_of(path: Path) -> str:
    """A link's target, a file's bytes in hexadecimal, nothing for a folder."""
    if path.is_symlink():
        return str(path.readlink())
    return path.read_bytes().hex() if path.is_file() else ""


class LocalChannel:
    """A pipe to an agent under a local sh."""

    def __init__(self, host: LocalHost, process: subprocess.Popen[bytes]) -> None:
        self.host = host
        self.process = process
        assert self.process.stdout and self.process.stdin
        self.output, self.input = self.process.stdout, self.process.stdin

    def send(self, data: bytes) -> None:
        try:
            self.input.write(data)
            self.input.flush()
        except OSError as error:
            raise HostError("local", str(error)) from error

    def read_line(self) -> bytes | None:
        return self.output.readline() or None

    def read_exact(self, count: int) -> bytes:
        return self.output.read(count)

    def end_input(self) -> None:
        self.input.close()

    def exit_status(self, timeout: float) -> int:
        return self.process.wait(timeout)

    def close(self) -> None:
        """As sshd does when a connection dies: both pipes are closed, no signal is sent."""
        for pipe in (self.input, self.output):
            with contextlib.suppress(OSError):
                pipe.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def kill_login(self) -> None:
        """As a login manager that ends a session: SIGKILL for all that belongs to it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stderr(self) -> str:
        assert self.process.stderr
        return self.process.stderr.read().decode()


class LocalHost:
    """A scratch root and the sh that serves it: a Session."""

    host = "web1"

    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.shell = shell
        self.execs = 0
        self.channels: list[LocalChannel] = []
        for name, text in FILES.items():
            self.write(name, text)
        self.bin = root / "bin"
        self.bin.mkdir()
        for name, text in STUBS.items():
            self.command(name, text)
        (root / "run/hactl").mkdir(parents=True)
        (root / "sys/module").mkdir(parents=True)
        for folder in ("var/lib", "var/log", "etc/systemd/system", "run/systemd/system"):
            (root / folder).mkdir(parents=True)
        tools = "/usr/sbin:/usr/bin:/sbin:/bin"
        if shell == "busybox":
            applets = root / "applets"
            applets.mkdir()
            busybox = shutil.which("busybox") or "busybox"
            for applet in subprocess.run(
                [busybox, "--list"], capture_output=True, text=True, check=True
            ).stdout.split():
                (applets / applet).symlink_to(busybox)
            tools = str(applets)
        self.env = {"HACTL_ROOT": str(root), "PATH": f"{self.bin}:{tools}"}

    def command(self, name: str, text: str) -> None:
        """Put a command in front of the machine's own, also while an earlier one of its name runs.

        A file that runs cannot be written (ETXTBSY): the new one takes its place.
        """
        new = self.root / f"{name}.new"
        new.write_text(text)
        new.chmod(0o755)
        new.replace(self.bin / name)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, name: str) -> str:
        return (self.root / name.lstrip("/")).read_text()

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.root / name.lstrip("/"))

    def unit(self, name: str, **state: str) -> Path:
        """Make a unit that is active, enabled and has a PID. An empty value changes that."""
        for key, value in {"active": "yes\n", "enabled": "yes\n", "pid": "77", **state}.items():
            if value:
                self.write(f"units/{name}/{key}", value)
        return self.root / "units" / name

    def calls(self) -> list[str]:
        """What systemctl was told to do, looking aside."""
        lines = self.read("units/log").splitlines()
        return [line for line in lines if not line.startswith(("show", "is-"))]

    def snapshot(self) -> dict[str, tuple[str, str]]:
        """All that a rollback must bring back: paths with their mode, bytes or link target."""
        entries = {}
        for top in ("etc", "var", "run", "proc/sys", "sys", "units"):
            base = self.root / top
            for path in [base, *base.rglob("*")] if base.exists() else []:
                if path.name in ("log", "pids", "pid", "hactl.log"):
                    continue
                with contextlib.suppress(FileNotFoundError):  # an agent may be at work
                    entries[str(path.relative_to(self.root))] = (
                        oct(path.lstat().st_mode),
                        content_of(path),
                    )
        addresses = sorted(
            " ".join(line.split("\\")[0].split()[1:])
            for line in self.read("addresses").splitlines()
        )
        return {**entries, "addresses": ("", "\n".join(addresses))}

    def run_agent(self, program: str) -> LocalChannel:
        self.execs += 1
        argv = [shutil.which(self.shell) or self.shell] + ["sh"] * (self.shell == "busybox")
        process = subprocess.Popen(
            [*argv, "-c", BOOTSTRAP],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        channel = LocalChannel(self, process)
        self.channels.append(channel)
        channel.send(encode_program(program))
        assert channel.read_line() == MARKER
        return channel

    def end(self) -> None:
        for channel in self.channels:
            channel.process.kill()
            channel.process.wait()
