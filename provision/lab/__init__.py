"""The lab: every host of an inventory on one machine, with the same addresses, in namespaces of its own.

Directors are QEMU guests with a real IPVS kernel; all other hosts are systemd containers. The way through:
`plan` (what) -> `layout` (where) -> `commands`, `files` (pure text) -> `network`, `director`, `node` (doing) ->
`control` (up, down, status, shell, cut, boot). `image` builds the one image all hosts start from.
"""
