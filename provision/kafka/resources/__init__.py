"""A cluster's users, rights, quotas and topics: as they are to be, as they are, and what lies between."""
