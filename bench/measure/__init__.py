"""One repeat of one case in a process of its own, and the plan that all of them make."""
