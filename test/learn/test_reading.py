"""Images and labels as files: what is found, and what their pixels mean."""
import cv2
import numpy as np
from PIL import Image
import pytest

from learn.synthetic import image, own, write
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.reading import list_images, ranges_text


def test_one_name_with_two_suffixes_is_refused(tmp_path):
    root = own(tmp_path, ['a_1', 'b_1'])
    write(root / 'val/images/b_1.tif', image())
    with pytest.raises(ValueError, match=r'images/b_1.png and .*images/b_1.tif have one name'):
        open_dataset('folder', root, 'val')


def test_any_usual_image_format_is_found(tmp_path):
    names = [f'a_{number}' for number in range(4)]
    root = own(tmp_path, names, kind='labels')
    for name, suffix in zip(names, ('tif', 'webp', 'JPEG', 'bmp'), strict=True):
        write(root / f'val/images/{name}.{suffix}', image())
    assert len(open_dataset('folder', root, 'val').labelled()) == 4


@pytest.mark.parametrize('kind', ['colours', 'palette', 'transparent'])
def test_labels_painted_in_the_colours_of_the_classes(tmp_path, kind):
    root = own(tmp_path, ['a_1'])
    colours = [(0, 0, 0), (0, 128, 0), (255, 255, 0)]
    index = np.array([[0, 1, 2, 1, 2, 0]] * 4, np.uint8)
    path = root / 'val/labels/a_1.png'
    painted = np.array(colours, np.uint8)[index][..., ::-1]
    if kind == 'palette':
        path.parent.mkdir()
        picture = Image.fromarray(index).convert('P')
        picture.putpalette([level for colour in colours for level in colour])
        picture.save(path)
    elif kind == 'transparent':
        write(path, np.dstack([painted, 50 * index]))
    else:
        write(path, painted)
    dataset = open_dataset('folder', root, 'val')
    dataset.check()
    assert dataset.label(0, 0).tolist() == [[255, 0, 1, 0, 1, 255]] * 4
    (root / 'classes.yaml').write_text('nothing: [0, 0, 0]\nground: [0, 128, 0]\n')
    with pytest.raises(ValueError, match=r'a_1.png has the colour \(255, 255, 0\) at x 2, y 0'):
        open_dataset('folder', root, 'val').check()
    (root / 'classes.yaml').write_text(
        'nothing: [0, 0, 0]\nground: [0, 128, 0]\nsquare: [255, 255, 0]\n')
    assert open_dataset('folder', root, 'val').label(0, 0).tolist() == index.tolist()


@pytest.mark.parametrize('mode', ['RGB', 'LA', 'P'])
def test_grey_ids_that_are_read_as_colours_are_named(tmp_path, mode):
    root = own(tmp_path, ['a_1'])
    path = root / 'val/labels/a_1.png'
    path.parent.mkdir()
    Image.fromarray(np.eye(4, 6, dtype=np.uint8)).convert(mode).save(path)
    with pytest.raises(ValueError, match=r'the colour \(1, 1, 1\) at .*; ids want one channel'):
        open_dataset('folder', root, 'val').check()


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_a_label_of_few_bits_is_refused(tmp_path, bits):
    """OpenCV stretches its ids: the largest is read as 255, which is no class."""
    root = own(tmp_path, ['a_1'])
    write(root / 'val/labels/a_1.png', np.zeros((4, 6), np.uint8))
    path = root / 'val/labels/a_1.png'
    png = bytearray(path.read_bytes())
    png[24] = bits
    path.write_bytes(png)
    with pytest.raises(ValueError, match=f'a_1.png is a {bits}-bit PNG: expected ids of 8 bits'):
        open_dataset('folder', root, 'val').check()


@pytest.mark.parametrize('suffix', ['bmp', 'tif'])
def test_a_mask_of_one_bit_is_refused_in_other_formats_too(tmp_path, suffix):
    """As MATLAB writes logical arrays."""
    root = own(tmp_path, ['a_1'])
    path = root / f'val/labels/a_1.{suffix}'
    path.parent.mkdir()
    mask = Image.fromarray(np.array(4 * [[0, 0, 1, 1, 0, 1]], np.uint8))
    mask.save(path)
    assert open_dataset('folder', root, 'val').label(0, 0).max() == 1
    mask.point([0] + 255 * [255], '1').save(path)
    with pytest.raises(ValueError, match=f'a_1.{suffix} has 1-bit pixels: expected ids of 8 bits'):
        open_dataset('folder', root, 'val').check()


def test_a_picture_that_its_exif_data_turn_is_named(tmp_path):
    root = own(tmp_path, ['a_1'], kind='labels')
    for label in (root / 'val/labels').iterdir():
        write(label, np.zeros((4, 6), np.uint8))
    picture = Image.fromarray(image())
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: a quarter turn
    path = root / 'val/images/a_1.jpg'
    path.parent.mkdir()
    picture.save(path, exif=exif)
    with pytest.raises(ValueError, match=r'is 4x6 \(rotated by its EXIF data\?\): they must be'):
        open_dataset('folder', root, 'val').check()


def test_hidden_files_are_no_pictures(tmp_path):
    root = own(tmp_path, ['a_1'], kind='labels')
    write(root / 'val/images/a_1.png', image())
    for kind in ('images', 'labels'):  # as macOS adds them
        (root / f'val/{kind}/._a_1.png').write_bytes(b'Mac OS X')
        write(root / f'val/{kind}/.ipynb_checkpoints/a_2.png', image())
    assert len(open_dataset('folder', root, 'val').clips) == 1


def test_folders_of_pictures_may_be_links(tmp_path):
    root = tmp_path / 'mine'
    for kind in ('images', 'labels'):
        write(tmp_path / f'drive/{kind}/a_1.png', image())
        (root / 'val' / kind).mkdir(parents=True)
        (root / 'val' / kind / 'drive').symlink_to(tmp_path / 'drive' / kind)
    (frame,), = open_dataset('folder', own(root, []), 'val').clips
    assert frame.image == root / 'val/images/drive/a_1.png'


def test_a_link_to_a_folder_that_it_is_in_is_not_followed(tmp_path):
    """As `ln -s` makes it, called a second time for a link that is there."""
    root = own(tmp_path / 'mine', ['a/a_1'])
    (tmp_path / 'drive').symlink_to(root / 'val/images/a')
    for link in (root / 'val/images/a/drive', root / 'val/images/b'):
        link.symlink_to(tmp_path / 'drive')
    assert list(list_images(root / 'val/images')) == ['a/a_1', 'b/a_1']


def test_a_painted_label_is_decoded_once(tmp_path, monkeypatch):
    root = own(tmp_path, ['a_1'])
    write(root / 'val/labels/a_1.png', image())
    decoded = []
    monkeypatch.setattr('cv2.imdecode', lambda *arguments, decode=cv2.imdecode: (
        decoded.append(0) or decode(*arguments)))
    open_dataset('folder', root, 'val').label(0, 0)
    assert len(decoded) == 1


def test_colours_of_16_bits_are_refused(tmp_path):
    root = own(tmp_path, ['a_1'])
    write(root / 'val/labels/a_1.png', image().astype(np.uint16))
    with pytest.raises(ValueError, match=r'a_1.png is uint16: colours have 8 bits per channel'):
        open_dataset('folder', root, 'val').label(0, 0)


@pytest.mark.parametrize('name', ['b_1.jpg', 'b_1.png'])
@pytest.mark.parametrize('label', [np.zeros((4, 6), np.uint8), image()])
def test_a_lossy_label_is_refused_by_what_it_is(tmp_path, name, label):
    root = own(tmp_path, ['a_1', 'b_1'])
    write(root / 'val/labels/a_1.png', label)
    write(root / 'val/labels/b_1.jpg', label)
    (root / 'val/labels/b_1.jpg').rename(root / 'val/labels' / name)
    with pytest.raises(ValueError, match=f'labels/{name} is a JPEG, .*: expected a PNG'):
        open_dataset('folder', root, 'val').check()


def test_ranges_are_written_briefly():
    assert ranges_text([255, 0, 1, 2, 5]) == '0-2, 5, 255'
