"""The inventory of the tests, as data: two directors, two web servers, a client, one front end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

VIP = "192.168.227.10"
MANAGED = ("lvs1", "lvs2", "web1", "web2")
HOSTS = (*MANAGED, "client")

Model = dict[str, Any]


def base(name: str) -> Model:
    """A new copy that a test may change."""
    check = {"type": "tcp", "interval": 2, "timeout": 2, "retries": 1, "delay": 1}
    return {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_common_args": f"-F /run/hactl/lab/{name}/ssh_config",
                "frontends": [
                    {
                        "name": "web",
                        "vips": [VIP],
                        "directors": "directors",
                        "vrrp": {"virtual_router_id": 10},
                        "services": [
                            {"port": 80, "scheduler": "rr", "real_servers": "web", "check": check}
                        ],
                    }
                ],
            },
            "children": {
                "directors": {
                    "hosts": {
                        "lvs1": {"ansible_host": "192.168.227.101"},
                        "lvs2": {"ansible_host": "192.168.227.102"},
                    }
                },
                "web": {
                    "vars": {"hactl_roles": ["web"]},
                    "hosts": {
                        "web1": {"ansible_host": "192.168.227.103"},
                        "web2": {"ansible_host": "192.168.227.104"},
                    },
                },
                "clients": {"hosts": {"client": {"ansible_host": "192.168.227.100"}}},
            },
        }
    }


def frontend(model: Model) -> Model:
    """The front end of a model."""
    return cast(Model, model["all"]["vars"]["frontends"][0])


def host(model: Model, name: str) -> Model:
    """The variables of one host of a model."""
    for group in model["all"]["children"].values():
        if name in group["hosts"]:
            return cast(Model, group["hosts"][name])
    raise KeyError(name)


def busy(model: Model, *roles: str) -> Model:
    """The model with changes on every host: an advert interval on directors, roles on others."""
    frontend(model)["vrrp"]["advert_int"] = 0.3
    model["all"]["children"]["web"]["vars"]["hactl_roles"] = ["web", *(roles or ("note",))]
    return model


ROLES = {
    # A file; nothing can go wrong.
    "note": {
        "manifest.yml": "files:\n  - {path: /etc/hactl-note, template: note.j2}\n",
        "templates/note.j2": "a note for {{ inventory_hostname }}\n",
    },
    # A file that its parser refuses.
    "broken": {
        "manifest.yml": (
            "files:\n  - {path: /etc/broken.sh, template: broken.j2, validate: /bin/sh -n %s}\n"
        ),
        "templates/broken.j2": "if then {{ inventory_hostname }}\n",
    },
    # A unit that starts slowly: its host stays in the middle of a transaction for a while.
    "slow": {
        "manifest.yml": (
            "files:\n  - {path: /etc/systemd/system/slow.service, template: slow.j2}\n"
            "sysctls:\n  - {name: net.ipv4.conf.all.log_martians, value: '1'}\n"
            "units:\n  - {name: slow.service}\n"
        ),
        "templates/slow.j2": (
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 12\n\n"
            "[Install]\nWantedBy=multi-user.target\n"
        ),
    },
}


def write_roles(folder: Path) -> None:
    """Write the roles of the tests beside the inventory."""
    for role, files in ROLES.items():
        for name, text in files.items():
            path = folder / "roles" / role / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "roles" / role / "meta").mkdir()
        specs = (
            "argument_specs:\n  main:\n"
            "    short_description: A role of the tests.\n    options: {}\n"
        )
        (folder / "roles" / role / "meta" / "argument_specs.yml").write_text(specs)
