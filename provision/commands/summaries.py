"""One line about each command, for the lists of `--help`: they import no command's module.

A command's docstring begins with the same line.
"""

from __future__ import annotations

HACTL = {
    "init": "Write a commented starter inventory.",
    "inventory": "Print the inventory as Ansible's dynamic-inventory JSON.",
    "lint": "Find mistakes in an inventory before any host sees them.",
    "render": "Show the files and settings of each host.",
    "plan": "Show what a deploy would change.",
    "deploy": "Plan, ask, and change the hosts.",
    "history": "List the confirmed deploys of each host.",
    "rollback": "Return the hosts to an earlier deploy.",
    "verify": "Check every host and the network; change nothing.",
    "failover-test": "Break the front end on purpose and measure the outage.",
    "rehearse": "Try an inventory in a lab of its own: deploy and drills.",
    "status": "Show VIP holders, health of real servers, and problems.",
    "drain": "Take a host out of service without a lost request.",
    "undrain": "Return a drained host to service.",
    "doctor": "Find the causes of problems, with their evidence.",
}

LAB = {
    "up": "Boot every host of the inventory.",
    "status": "Show which hosts of the lab run.",
    "shell": "Open a shell on a lab host, or run one command there.",
    "cut": "Cut the power of a lab host.",
    "boot": "Give a lab host its power back.",
    "down": "Remove the lab.",
}

KAFKA = {
    "lint": "Find mistakes in files of brokers, clients and ZooKeeper.",
    "plan": "Show what would change in the cluster.",
    "apply": "Plan, ask, and change the cluster.",
    "clients": "Write the login files of each user's clients.",
    "verify": "Check what each user may and may not do.",
    "replicas": "Show the state of every replica.",
    "roll": "Restart the cluster's nodes one at a time.",
}

RETENTION = {
    "plan": "Show how much disk a topic needs, and when records go.",
    "verify": "Prove on the brokers that a topic keeps what its plan says.",
}
