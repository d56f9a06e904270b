"""Two labelled bags of the same frames: where they agree and where not."""
from tdnet_ros.bags.compare.comparison import CameraComparison as CameraComparison
from tdnet_ros.bags.compare.comparison import Comparison as Comparison
from tdnet_ros.bags.compare.comparison import compare as compare
