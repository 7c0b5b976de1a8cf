//! Whether there is work to review: what a worktree must be like.
