"""Where models run: addresses, hosts, what they have and whether they live."""
