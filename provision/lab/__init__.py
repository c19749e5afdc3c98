"""The lab: the hosts of an inventory on one machine, with the same addresses, in namespaces.

Directors are QEMU guests with a real IPVS kernel; all other hosts are systemd containers. The
modules:

- `plan`: the hosts of a lab; `layout`: its paths and names
- `command_lines`, `files`: argument vectors and file contents, as pure functions
- `image`: the image from which all hosts start; `apt`: its package sources
- `network`, `director`, `node`: namespaces, guests and containers
- `control`: the commands up, down, status, shell, cut and boot
"""
