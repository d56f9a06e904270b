"""The demo: node, camera and recorder as processes, and a report of the run."""
