"""Which files are taken for images: one answer for data sets, benchmarks and bags."""
IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
