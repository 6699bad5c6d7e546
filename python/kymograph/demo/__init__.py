"""Real metrics that ship with the package, and the story ``kymograph demo`` tells with them."""

from kymograph.demo.data import csv_bytes, ec2, machine, network_and_disk
from kymograph.demo.story import Story, tell

__all__ = ["Story", "csv_bytes", "ec2", "machine", "network_and_disk", "tell"]
