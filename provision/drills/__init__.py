"""The drills: one fault each, injected on purpose, observed from a client, judged against its bound, undone."""
