"""Start of `python -m tdnet_ros.demo`."""
import signal
import sys

if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends silently while modules are loaded
    from tdnet_ros.demo.cli import main
    sys.exit(main())
