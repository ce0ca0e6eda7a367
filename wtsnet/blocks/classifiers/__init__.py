"""What classifiers and backbones share, with the weight names of torchvision and timm."""
