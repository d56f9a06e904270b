"""The ROS 2 shell around the stream."""
