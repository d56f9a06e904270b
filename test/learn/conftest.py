"""What several tests of learning share."""
import pytest

from learn.synthetic import write_folder


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('data') / 'squares', videos=8, frames=1)
