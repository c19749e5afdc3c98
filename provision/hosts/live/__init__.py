"""What the hosts of a front end do right now: looked at over SSH, read-only, and judged against the inventory."""
