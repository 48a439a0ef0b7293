"""The fake runner: the script in a fake file system (pyfakefs), in a forked child."""
