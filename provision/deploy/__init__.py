"""From an inspection to a confirmed change: plan, drift, rollout, drain; it knows no role."""
