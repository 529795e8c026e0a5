"""Speed shown as ratios against the raw engine or a peer, measured in the same run."""
