"""The inventory: from its files to a typed and checked topology, without contact to any host."""
