# shellcheck shell=sh
# Probe: start a Python program that follows on standard input: its length in bytes and a newline, then
# JSON with its modules and settings (provision/prober/program.py). Nothing is written to the disk: -B,
# and the modules exist in memory only.

have python3 || {
    printf '%s\n' '{"error": "there is no python3", "fix": "install it there (apt-get install python3)"}'
    exit 1
}
exec python3 -I -B -u -c '
import json, os, sys, types
def read(count):
    data = b""
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk:
            sys.exit(1)
        data += chunk
    return data
length = b""
while not length.endswith(b"\n"):
    length += read(1)
message = json.loads(read(int(length)).decode())
if sys.version_info < (3, 7):
    print(json.dumps({"error": "python3 there is %d.%d" % sys.version_info[:2], "fix": "3.7 or later is needed"}))
    sys.exit(1)
for name, text in message["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    exec(compile(text, name, "exec"), module.__dict__)
module.main(message["settings"])
'
