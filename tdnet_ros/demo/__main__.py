"""Start of `python -m tdnet_ros.demo`."""
import signal
import sys

if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends silently while modules are loaded
    from tdnet_ros import programs
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also behind & in a shell script
    sys.exit(programs.demo())
