"""The tests, one folder for each room; ``from tests.helpers import wait_until``."""
