"""Start of `python -m tdnet_ros.benchmark`."""
import sys

from tdnet_ros import programs

if __name__ == '__main__':
    sys.exit(programs.bench())
