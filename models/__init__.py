"""The zoo: one architecture a file. It ships in the wheel as `wtsnet.models`."""
