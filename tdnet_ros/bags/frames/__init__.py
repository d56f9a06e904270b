"""Pictures of bags as a data set to train on."""
