"""A cluster's users, ACLs, quotas and topics: desired state, observed state and plan."""
