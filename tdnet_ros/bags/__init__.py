"""Bags: play and record; label, report, compare; pictures to train on.

cli                                the program tdnet_bag
play, record, session, qos         the commands that need ROS
label/ frames/ report/ compare/    a command each, from its `cli` on; without ROS
files/                             bags as they lie on the disk, of every format, whole or damaged
sources, bag_source                what can be played: videos, pictures, cameras, bags
labelled, bag_classes, matching, pair_counts, label_record
                                   bags of labels, and how two of them are compared
definitions, writing               what is written into bags
"""
