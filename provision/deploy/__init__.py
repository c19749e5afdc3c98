"""From an inspection to a confirmed change: plan, drift, rollout, drain; no knowledge of a single role."""
