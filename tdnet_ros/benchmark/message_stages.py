"""The stages of an image on its way through the node, in order."""
SHOWN = ('transport', 'wait', 'decode', 'upload', 'network', 'download', 'publish')
