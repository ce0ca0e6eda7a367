"""The last row of YOLO's architecture lists: what makes boxes, masks, key points and classes of the rest."""

from wtsnet.blocks.heads.heads import KINDS, HeadCall, add_head, classes_of, head

__all__ = ["KINDS", "HeadCall", "add_head", "classes_of", "head"]
