"""Package description for pip, colcon and ament."""
from glob import glob

from setuptools import find_packages, setup

PACKAGE = 'tdnet_ros'

setup(
    name=PACKAGE,
    version='0.1.0',
    description='Semantic segmentation of camera topics with temporally distributed networks',
    license='Apache-2.0',
    author='tdnet_ros contributors',
    maintainer='tdnet_ros contributors',
    maintainer_email='tdnet-ros@users.noreply.github.com',
    python_requires='>=3.10',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', 'models/*.yaml', 'models/*.safetensors',
                            'learn/recipes/*.yaml', 'bags/report/*.jinja']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/launch', glob('launch/*.launch.py')),
        (f'share/{PACKAGE}/config', glob('config/*')),
    ],
    zip_safe=False,
    # rclpy and the message packages come from ROS, see package.xml.
    install_requires=[
        'torch>=2.3',
        'numpy>=1.21',
        'opencv-python>=4.5',
        'safetensors>=0.4',
        'pyyaml>=5.4,!=6.0.4',  # which loses values of chained merges
    ],
    extras_require={
        'bags': ['rosbags>=0.11.9', 'apsw', 'rich>=12', 'matplotlib>=3.7', 'jinja2>=3'],
        'demo': ['matplotlib>=3.7', 'rich>=12'],
        'train': ['lightning-fabric>=2.2', 'torchmetrics>=1.2', 'tensorboard>=2.12', 'rich>=12',
                  'matplotlib>=3.7'],
        'export': ['torch>=2.5', 'onnx>=1.15', 'onnxruntime>=1.18', 'onnxscript>=0.2'],
        'ray': ['ray>=2.9'],
        'dev': [
            'pytest>=8',
            'pytest-timeout>=2.2',
            'pytest-xdist>=3.2',
            'ruff>=0.6',
            'mypy>=1.11',
            'types-PyYAML',
            'setuptools<80',
            'colcon-core>=0.15',
            'colcon-ros>=0.4',
            'colcon-python-setup-py',
            'colcon-library-path',
            'colcon-recursive-crawl',
            'colcon-package-selection',
        ],
    },
    entry_points={
        'console_scripts': [
            'tdnet_node = tdnet_ros.ros.program:main',
            'tdnet_bag = tdnet_ros.programs:bag',
            'tdnet_convert = tdnet_ros.programs:convert',
            'tdnet_train = tdnet_ros.programs:train',
            'tdnet_evaluate = tdnet_ros.programs:evaluate',
            'tdnet_export = tdnet_ros.programs:export',
            'tdnet_benchmark = tdnet_ros.programs:benchmark',
        ],
    },
)
