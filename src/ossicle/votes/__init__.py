"""Votes: one answer from the outputs of several models. To add one, add its file and a line."""

from typing import Final

from ossicle.votes.soft import Soft
from ossicle.votes.vote import Decision, Vote

VOTES: Final[dict[str, type[Vote]]] = {vote.name: vote for vote in (Soft,)}

__all__ = ["VOTES", "Decision", "Soft", "Vote"]
