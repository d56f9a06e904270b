"""How a step's batch is cut into parts, and how processes that load them end."""
import pytest
import torch

from learn.runs import command, run_processes, write_config
from learn.synthetic import write_folder
from tdnet_ros.learn import samples
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.config import Stage, TrainConfig
from tdnet_ros.learn.loading import check_batches, clips, fewest_clips
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build


def config(batch, accumulate, steps=1, crop=(65, 97)):
    stage = Stage('all', steps, crop, batch, (0.1, 0.0), accumulate)
    return TrainConfig((stage,))


@pytest.mark.parametrize(('model', 'crop'), [
    ('td2-tiny', (65, 97)), ('bise18-half', (33, 33)), ('fa18', (33, 65)), ('fa18', (33, 33))])
def test_a_network_learns_from_as_few_clips_as_it_says(model, crop):
    network = build(VARIANTS[model], 3).train()
    fewest = fewest_clips(network.architecture, config(1, 1, crop=crop), shared_norms=False)
    network(torch.zeros(fewest, 3, *crop), 0, [])
    check_batches(config(4 * fewest, 2), 2, fewest)
    if fewest > 1:
        with pytest.raises(ValueError, match='more than 1 value per channel'):
            network(torch.zeros(1, 3, *crop), 0, [])
        with pytest.raises(ValueError, match=r'a batch of 4 in 4 parts \(processes 2, acc'):
            check_batches(config(4, 2), 2, fewest)


def test_processes_that_share_statistics_need_one_clip_each():
    assert fewest_clips(VARIANTS['td2-tiny'], config(1, 1), shared_norms=True) == 1


@pytest.mark.parametrize(('processes', 'free', 'read'), [
    (1, 100, 8), (4, 100, 3 + 3 * 6), (1, 6, 3 + 3 * 6)])
def test_processes_of_a_machine_share_the_room_for_pictures(data, monkeypatch, processes, free,
                                                            read):
    """Of which there is less where little memory is free; `free` is that of so many pictures."""
    paths = []
    picture = 65 * 97 * 4
    monkeypatch.setattr(samples, 'read_image', lambda path, reader=samples.read_image: (
        paths.append(path) or reader(path)))
    monkeypatch.setattr('tdnet_ros.learn.loading.CACHE_BYTES', 8 * picture)
    monkeypatch.setattr('tdnet_ros.learn.loading.memory_of', lambda _: (free * picture + 3, 0))
    monkeypatch.setenv('LOCAL_WORLD_SIZE', str(processes))
    assert len(list(clips(config(8, 1, steps=3), open_dataset('folder', data, 'train'), 2,
                          (65, 97), 0, 0, 1))) == 3
    assert len(paths) == read


@pytest.mark.parametrize('workers', [0, 1])
def test_stages_share_what_was_decoded(data, monkeypatch, workers):
    paths = []
    monkeypatch.setattr(samples, 'read_image', lambda path, reader=samples.read_image: (
        paths.append(path) or reader(path)))
    stages = *config(4, 1).stages, *config(2, 1, crop=(33, 33)).stages
    parts = clips(TrainConfig(stages, workers=workers), open_dataset('folder', data, 'train'), 2,
                  (65, 97), 0, 0, 1)
    assert len(paths) == 8
    assert [part.images.shape[-2:] for part in parts] == [(65, 97), (33, 33)]
    assert len(paths) == 8


def test_a_bad_frame_of_a_video_is_one_clear_line(tmp_path):
    """And the run ends with it: no loader's process stays."""
    root = write_folder(tmp_path / 'data', videos=2, frames=2)
    (root / 'train/labels/v0_000.png').unlink()
    (root / 'train/images/v0_000.png').write_bytes(b'no image')
    config = write_config(tmp_path / 'c.yaml', [{'steps': 4, 'still_share': 0}], max_gap=1,
                          workers=1)
    ended, error = run_processes(tmp_path, command(root, config, tmp_path / 'run'))
    assert ended == [1]
    assert error.startswith('tdnet_train: cannot read the image ')
    assert 'v0_000.png: it is damaged, cut off or no image\n' in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(('fault', 'status', 'said'), [
    ('os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)', 1,
     'tdnet_train: a process that loads pictures has ended, as for want of memory: fewer workers '
     '(--set workers=0: none) take less; --resume goes on\n'),
    ("raise RuntimeError('unable to allocate shared memory(shm) for file </torch_1_2_0>')", 1,
     '/dev/shm has no room for the pictures that processes load (Docker gives 64 MB; '
     '--shm-size=1g is enough): fewer workers (--set workers=0: none) take less; --resume goes '
     'on\n'),
    ("raise RuntimeError('unforeseen')", 1, 'RuntimeError: unforeseen\n'),
    ('os.kill(os.getpid(), signal.SIGINT)', 130, 'interrupted; --resume goes on\n')])
def test_a_run_that_fails_ends_the_processes_that_load_pictures(
        data, tmp_path, fault, status, said):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1000}], workers=2, validate_every=1)
    program = f'''
import multiprocessing, os, signal
from tdnet_ros.learn.progress import Progress
def show(self, step, *figures, show=Progress.step):
    show(self, step, *figures)
    if step == 2:
        {fault}
Progress.step = show
'''
    ended, told = run_processes(tmp_path, command(data, config, tmp_path / 'run'), program=program)
    assert ended == [status]
    assert told.endswith(said)
