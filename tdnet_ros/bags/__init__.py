"""Play cameras and record topics without a ROS installation."""
